#!/usr/bin/env python3
"""Writes into the templates what `upright iam-policy` says that their roles need.

    infra/policies.py PROGRAM             # write
    infra/policies.py PROGRAM --check     # only compare; exit code 1 and a diff where they differ

PROGRAM is the built `upright`. Statements that are for a parameter of the template (the archive, the topic, the role in
other accounts) are asked for with a name that stands for it, and get the parameter in its place. A managed policy has
at most 6,144 characters, so what reads is divided over as many as it takes.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

from blocks import INFRA, Block, update

# Characters of a managed policy, white space not counted, less what the parameters' values may add.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MAX_CHARACTERS = 6144 - 256

# What stands for a parameter in the answer → what it is in the template.
ROLE, BUCKET, PREFIX = "STAND-IN-ROLE", "stand-in-bucket", "stand-in-prefix"
TOPIC = "arn:aws:sns:us-east-1:111122223333:stand-in-topic"
IN_TEMPLATE = [
    (TOPIC, "${Topic}"),
    (f"arn:aws:s3:::{BUCKET}", "${Archive.Arn}"),
    (PREFIX, "${ArchivePrefix}"),
    (ROLE, "${MemberRoleName}"),
    ("arn:aws:", "arn:${AWS::Partition}:"),
]

# Accounts may be chosen by unit and by tag without another deployment.
SCAN = ["--organization", "--role-name", ROLE, "--include-units", "any", "--exclude-tags", "any=any"]
CONFIGURATION = f"archive: s3://{BUCKET}/{PREFIX}\nnotify: {{ topics: [{{ arn: '{TOPIC}' }}] }}\n"


def ask(program, *arguments, configuration=None):
    """The statements that `upright iam-policy` prints, none of whose settings come from this machine."""
    with tempfile.TemporaryDirectory() as empty:
        config = pathlib.Path(empty, "upright.yaml")
        config.write_text(configuration or "{}\n")
        command = [str(pathlib.Path(program).resolve()), "iam-policy", "--config", str(config), *arguments]
        done = subprocess.run(command, cwd=empty, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout)["Statement"]


def parted(statements, limit=MAX_CHARACTERS):
    """The statements in groups of which none is longer than a managed policy may be."""
    groups, length = [], limit
    for statement in statements:
        # The longest partition is aws-us-gov.
        own = len(json.dumps(statement, separators=(",", ":")).replace("arn:aws:", "arn:aws-us-gov:")) + 1
        if own > limit - 64:
            sys.exit(f"the statement {statement['Sid']} alone is longer than a policy may be")
        if length + own > limit:
            groups.append([])
            length = 64
        groups[-1].append(statement)
        length += own
    return groups


def in_template(value):
    """A text with parameters in place of what stands for them, as YAML."""
    for stand_in, parameter in IN_TEMPLATE:
        value = value.replace(stand_in, parameter)
    if alone := re.fullmatch(r"\$\{([A-Za-z.]+)\}", value):
        return f"!GetAtt {alone[1]}" if "." in alone[1] else f"!Ref {alone[1]}"
    quoted = "'" + value.replace("'", "''") + "'"
    return f"!Sub {quoted}" if "${" in value else quoted


def lines_of(statement):
    """A statement as YAML, each value on its own line."""
    yield f"- Sid: {statement['Sid']}"
    yield f"  Effect: {statement['Effect']}"
    for key in ("Action", "Resource"):
        values = statement[key] if isinstance(statement[key], list) else [statement[key]]
        yield f"  {key}:"
        yield from (f"    - {in_template(value)}" for value in values)
    if "Condition" in statement:
        yield "  Condition:"
    for operator, tests in statement.get("Condition", {}).items():
        yield f"    {operator}:"
        for key, values in tests.items():
            yield f"      {key}:"
            values = values if isinstance(values, list) else [values]
            yield from (f"        - {in_template(value)}" for value in values)


def policy(logical_id, role, description, statements, condition=None):
    """A managed policy of a template."""
    yield f"{logical_id}:"
    yield "  Type: AWS::IAM::ManagedPolicy"
    if condition:
        yield f"  Condition: {condition}"
    yield "  Properties:"
    yield f"    Description: {description}"
    yield f"    Roles: [!Ref {role}]"
    yield "    PolicyDocument:"
    yield "      Version: '2012-10-17'"
    yield "      Statement:"
    for statement in statements:
        yield from (f"        {line}" for line in lines_of(statement))
    yield ""


def reading(role, statements):
    """The policies that read, divided."""
    for number, group in enumerate(parted(statements), 1):
        yield from policy(f"ReadPolicy{number}", role, "What Upright reads in an account", group)


def blocks(program):
    """What belongs into each template."""
    scanner = ask(program, *SCAN, "--role", "scanner", configuration=CONFIGURATION)
    read = [statement for statement in scanner if statement["Sid"].startswith("Read")]
    find = [statement for statement in scanner if statement["Sid"].startswith(("Find", "Enter"))]
    keep = [statement for statement in scanner if statement not in read and statement not in find]
    own = [
        *reading("FunctionRole", read),
        *policy("FindPolicy", "FunctionRole", "How Upright finds and enters accounts", find, "ScansOrganization"),
        *policy("KeepPolicy", "FunctionRole", "Where Upright keeps runs and whom it tells", keep),
    ]
    member = ask(program, *SCAN, "--role", "member")
    return [
        Block(INFRA / "scanner.yaml", "policies", own),
        Block(INFRA / "member-role.yaml", "policies", list(reading("Role", member))),
    ]


def main():
    """Writes or compares."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("program", help="the built upright")
    parser.add_argument("--check", action="store_true", help="only compare")
    arguments = parser.parse_args()
    return update(blocks(arguments.program), arguments.check, "make policies")


if __name__ == "__main__":
    sys.exit(main())
