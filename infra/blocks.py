"""Parts of the templates that are made by a program: between `# BEGIN name` and `# END name`."""

import dataclasses
import difflib
import pathlib
import sys

INFRA = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass
class Block:
    """What belongs between the marks in a file, in lines without the indentation of the marks."""

    path: pathlib.Path
    name: str
    lines: list

    def in_file(self):
        """The file as it is, and as it should be."""
        now = self.path.read_text()
        begin, end = f"# BEGIN {self.name}\n", f"# END {self.name}\n"
        before, found, rest = now.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            sys.exit(f"{self.path.name}: there is no `{begin.strip()}` with its `{end.strip()}`")
        indent = before[before.rindex("\n") + 1 :]
        made = "".join(f"{indent}{line}\n" if line else "\n" for line in ["", *self.lines])
        return now, before + begin + made + indent + end + after


def update(blocks, is_check, how):
    """Writes what differs, or with `is_check` shows it; answers the exit code."""
    code = 0
    for block in blocks:
        now, right = block.in_file()
        if now == right:
            continue
        if is_check:
            name = block.path.name
            difference = difflib.unified_diff(now.splitlines(), right.splitlines(), name, "made now", lineterm="")
            print("\n".join(difference), f"{name}: `{how}` puts it right", sep="\n", file=sys.stderr)
            code = 1
        else:
            block.path.write_text(right)
            print(f"{block.path.name}: {block.name} written")
    return code
