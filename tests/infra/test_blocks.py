"""What writes parts of the templates: it divides, refuses what would be wrong, and only compares when told to."""

import contextlib
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path

import template

sys.path.insert(0, str(template.INFRA))

import blocks  # noqa: E402
import patterns  # noqa: E402
import policies  # noqa: E402


def statement(number, actions):
    """A statement of so many actions."""
    return {
        "Sid": f"Read{number}",
        "Effect": "Allow",
        "Action": [f"service{number}:DescribeThing{index:03}" for index in range(actions)],
        "Resource": "*",
    }


class Policies(unittest.TestCase):
    """Statements become policies."""

    def test_statements_are_divided_and_none_is_lost(self):
        statements = [statement(number, 40) for number in range(9)]
        groups = policies.parted(statements)
        self.assertGreater(len(groups), 1)
        self.assertEqual([s for group in groups for s in group], statements)
        for group in groups:
            document = {"Version": "2012-10-17", "Statement": group}
            self.assertLessEqual(len(json.dumps(document, separators=(",", ":"))), 6144)

    def test_a_statement_that_fits_into_no_policy_stops_it(self):
        with self.assertRaisesRegex(SystemExit, "Read1 alone is longer"):
            policies.parted([statement(1, 400)])

    def test_what_stands_for_a_parameter_becomes_it(self):
        made = {
            "*": "'*'",
            policies.TOPIC: "!Ref Topic",
            f"arn:aws:s3:::{policies.BUCKET}": "!GetAtt Archive.Arn",
            f"arn:aws:s3:::{policies.BUCKET}/{policies.PREFIX}/*": "!Sub '${Archive.Arn}/${ArchivePrefix}/*'",
            f"arn:aws:iam::*:role/{policies.ROLE}": "!Sub 'arn:${AWS::Partition}:iam::*:role/${MemberRoleName}'",
            "arn:aws:apigateway:*::/apis": "!Sub 'arn:${AWS::Partition}:apigateway:*::/apis'",
        }
        self.assertEqual({text: policies.in_template(text) for text in made}, made)


class Patterns(unittest.TestCase):
    """Patterns become rules."""

    def test_a_list_and_an_object_with_one_are_read(self):
        pattern = {"source": ["aws.s3"]}
        for answer in ([pattern], {"patterns": [pattern], "more": 1}):
            self.assertEqual(patterns.read(io.StringIO(json.dumps(answer))), [pattern])

    def test_what_would_match_everything_or_nothing_stops_it(self):
        long = {"source": ["aws.s3"], "detail": {"eventName": [f"PutThing{number:04}" for number in range(400)]}}
        for answer, why in (
            ([{"detail": {"eventName": ["PutObject"]}}], "would match every event"),
            ([long], "EventBridge takes 4096"),
            ([], "there must be 1"),
            ([{"source": ["aws.s3"]}] * 101, "1 to 100"),
        ):
            with self.assertRaisesRegex(SystemExit, why):
                patterns.read(io.StringIO(json.dumps(answer)))


class Blocks(unittest.TestCase):
    """Between two marks."""

    def setUp(self):
        directory = self.enterContext(tempfile.TemporaryDirectory())
        self.path = Path(directory, "scanner.yaml")
        self.path.write_text("a: 1\n  # BEGIN x\n  old: 1\n  # END x\nb: 2\n", encoding="utf-8")

    def update(self, is_check, name="x"):
        """Updates, and answers the exit code with what was said."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = blocks.update([blocks.Block(self.path, name, ["new: 2"])], is_check, "make x")
        return code, out.getvalue() + err.getvalue()

    def test_a_comparison_says_what_differs_and_writes_nothing(self):
        before = self.path.read_text(encoding="utf-8")
        code, said = self.update(is_check=True)
        self.assertEqual((code, self.path.read_text(encoding="utf-8")), (1, before))
        for part in ("-  old: 1", "+  new: 2", "scanner.yaml: `make x` puts it right"):
            self.assertIn(part, said)

    def test_what_is_around_stays_and_a_second_time_changes_nothing(self):
        self.assertEqual(self.update(is_check=False)[0], 0)
        text = "a: 1\n  # BEGIN x\n\n  new: 2\n  # END x\nb: 2\n"
        self.assertEqual(self.path.read_text(encoding="utf-8"), text)
        self.assertEqual(self.update(is_check=True), (0, ""))

    def test_a_template_without_marks_stops_it(self):
        with self.assertRaisesRegex(SystemExit, "scanner.yaml: there is no `# BEGIN y`"):
            self.update(is_check=False, name="y")


if __name__ == "__main__":
    unittest.main()
