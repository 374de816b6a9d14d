"""Checks every crate in Cargo.lock: its licence is one that we accept, and it comes from the
registry of crates, not from a repository or another place.

    python3 .ci/licenses.py

A licence expression such as `MIT OR (Apache-2.0 AND ISC)` passes when its terms can be met with accepted
licences only.
"""

import json
import re
import subprocess
import sys

ACCEPTED = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "BlueOak-1.0.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
}


def is_accepted(expression):
    """Whether an SPDX expression can be met; the `/` of old crates means OR."""
    tokens = re.findall(r"\(|\)|[^\s()/]+|/", expression)
    value, rest = any_of(tokens)
    if rest:
        raise ValueError(f"`{rest[0]}` is not expected")
    return value


def any_of(tokens):
    value, tokens = all_of(tokens)
    while tokens and tokens[0] in ("OR", "/"):
        other, tokens = all_of(tokens[1:])
        value = value or other
    return value, tokens


def all_of(tokens):
    value, tokens = one(tokens)
    while tokens and tokens[0] == "AND":
        other, tokens = one(tokens[1:])
        value = value and other
    return value, tokens


def one(tokens):
    if not tokens:
        raise ValueError("it ends too early")
    if tokens[0] == "(":
        value, tokens = any_of(tokens[1:])
        if not tokens:
            raise ValueError("a parenthesis is not closed")
        return value, tokens[1:]
    name, tokens = tokens[0], tokens[1:]
    if tokens[:1] == ["WITH"]:
        name, tokens = " ".join([name, *tokens[:2]]), tokens[2:]
    return name in ACCEPTED, tokens


def complaints(package):
    where = f"{package['name']} {package['version']}"
    # No source: a member of the workspace.
    if package["source"] is not None and not package["source"].startswith("registry+"):
        yield f"{where} comes from {package['source']}"
    licence = package["license"]
    try:
        if licence is None or not is_accepted(licence):
            yield f"{where} has the licence {licence}"
    except ValueError as error:
        yield f"{where} has the licence {licence}: {error}"


def main():
    command = ["cargo", "metadata", "--locked", "--format-version", "1", *sys.argv[1:]]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    packages = metadata["packages"]
    found = [complaint for package in packages for complaint in complaints(package)]
    for complaint in found:
        print(complaint, file=sys.stderr)
    print(f"{len(packages)} crates, {len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
