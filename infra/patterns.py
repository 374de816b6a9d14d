#!/usr/bin/env python3
"""Writes the rules of EventBridge into the templates, from what `upright events pattern --json` prints.

    upright events pattern --json | infra/patterns.py            # write
    upright events pattern --json | infra/patterns.py --check    # only compare; exit code 1 and a diff where they differ

It takes a list of event patterns, or an object with one under `patterns`.
"""

import argparse
import json
import sys

from blocks import INFRA, Block, update

# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
MAX_PATTERN_CHARACTERS = 4096
MAX_RULES = 100


def read(stream):
    """The patterns, checked: whatever is written here lets events through."""
    answer = json.load(stream)
    patterns = answer["patterns"] if isinstance(answer, dict) else answer
    if not patterns or len(patterns) > MAX_RULES:
        sys.exit(f"{len(patterns)} patterns: there must be 1 to {MAX_RULES}")
    for number, pattern in enumerate(patterns, 1):
        length = len(json.dumps(pattern, separators=(",", ":")))
        if length > MAX_PATTERN_CHARACTERS:
            sys.exit(f"pattern {number} has {length} characters: EventBridge takes {MAX_PATTERN_CHARACTERS}")
        if not {"source", "detail-type"} & pattern.keys():
            sys.exit(f"pattern {number} asks for neither source nor detail-type, and would match every event")
    return patterns


def rule(number, pattern, more):
    """A rule of a template."""
    yield f"Changes{number}:"
    yield "  Type: AWS::Events::Rule"
    yield from more["head"]
    yield "  Properties:"
    yield from (line.format(number=number) for line in more["name"])
    yield f"    Description: Changes that Upright looks at, {number}"
    yield "    State: ENABLED"
    # YAML takes JSON as it is, so that what is compared is what was printed.
    yield f"    EventPattern: {json.dumps(pattern, sort_keys=True)}"
    yield "    Targets:"
    yield from more["targets"]
    yield ""


TO_QUEUE = {
    "head": ["  Condition: WatchesEvents"],
    # The queues let in rules of this name: CloudFormation would shorten that of a long stack.
    "name": ["    Name: !Sub '${{Name}}-changes-{number}'"],
    "targets": [
        "      - Id: queue",
        "        Arn: !GetAtt Events.Arn",
        "        DeadLetterConfig: { Arn: !GetAtt EventsDeadLetters.Arn }",
    ],
}
TO_BUS = {
    "head": [],
    "name": [],
    "targets": [
        "      - Id: bus",
        "        Arn: !Ref BusArn",
        "        RoleArn: !GetAtt Role.Arn",
    ],
}


def main():
    """Writes or compares."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--check", action="store_true", help="only compare")
    is_check = parser.parse_args().check
    patterns = read(sys.stdin)
    blocks = []
    for name, more in (("scanner.yaml", TO_QUEUE), ("member-events.yaml", TO_BUS)):
        lines = [line for number, pattern in enumerate(patterns, 1) for line in rule(number, pattern, more)]
        blocks.append(Block(INFRA / name, "patterns", lines))
    return update(blocks, is_check, "make patterns")


if __name__ == "__main__":
    sys.exit(main())
