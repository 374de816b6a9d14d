"""The stacks of scanner.yaml and fanout.yaml with the function itself: a run of the state machine, on ministack.

The program in the zip starts the one that was built for this machine. ministack has no Organizations: the accounts are
named, and each of its accounts lets everybody in.
"""

import json
import os
import threading
import unittest

import template
from ministack import ACCOUNT, REGION, Ministack, zipped

BOOTSTRAP = os.environ["BOOTSTRAP"]
MEMBER = "444455556666"
UNKNOWN_TO_MINISTACK = "BusPolicy"
ENDED = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
CONFIGURATION = f"""\
accounts: ["{ACCOUNT}", "{MEMBER}"]
role_name: UprightScanner
regions: [{REGION}]
enable: [iam-password-min-length, s3-bucket-secure-transport]
"""


class Whole(unittest.TestCase):
    """From the templates to a run in the archive."""

    @classmethod
    def setUpClass(cls):
        cls.aws = cls.enterClassContext(Ministack())
        cls.s3, cls.states = cls.aws.client("s3"), cls.aws.client("stepfunctions")
        place = {"LocationConstraint": REGION}
        cls.s3.create_bucket(Bucket="code", CreateBucketConfiguration=place)
        program = f"#!/bin/sh\nAWS_ENDPOINT_URL={cls.aws.endpoint} exec '{BOOTSTRAP}'\n"
        cls.s3.put_object(Bucket="code", Key="bootstrap.zip", Body=zipped({"bootstrap": program.encode()}))
        body = template.load("scanner")
        del body["Resources"][UNKNOWN_TO_MINISTACK]
        scanner = cls.aws.deploy("scanner", body, CodeBucket="code", CodeKey="bootstrap.zip", Schedule="")
        cls.archive = scanner["ArchiveBucket"]
        cls.s3.put_object(Bucket=cls.archive, Key="config/upright.yaml", Body=CONFIGURATION.encode())
        for account in (ACCOUNT, MEMBER):
            s3 = cls.aws.client("s3", account=account)
            s3.create_bucket(Bucket=f"data-{account}", CreateBucketConfiguration=place)
        fanout = {
            "FunctionArn": scanner["ScanFunctionArn"],
            "ArchiveBucket": cls.archive,
            "KeyArn": scanner["KeyArn"],
            "TopicArn": scanner["TopicArn"],
            "Schedule": "",
        }
        cls.machine = cls.aws.deploy("fanout", template.load("fanout"), **fanout)["MachineArn"]

    def run_machine(self, name):
        """The output of an execution."""
        started = self.states.start_execution(stateMachineArn=self.machine, name=name, input="{}")
        pause = threading.Event()
        for _ in range(3600):
            told = self.states.describe_execution(executionArn=started["executionArn"])
            if told["status"] in ENDED:
                break
            pause.wait(0.05)
        self.assertEqual(told["status"], "SUCCEEDED", f"{told}\n{self.aws.log()[-6000:]}")
        return json.loads(told["output"])

    def objects(self, run):
        """Names of what the archive has of a run."""
        prefix = f"upright/runs/{run}/"
        listed = self.s3.list_objects_v2(Bucket=self.archive, Prefix=prefix)["Contents"]
        return {found["Key"].removeprefix(prefix) for found in listed}

    def test_the_state_machine_makes_a_run_of_all_accounts(self):
        finished = self.run_machine("night-1")["finished"]["summary"]
        run = finished["run"]
        self.assertIs(finished["summary"]["complete"], True, finished)
        accounts = {f"{account}.{end}" for account in (ACCOUNT, MEMBER) for end in ("report.json.zst", "part.json")}
        self.assertLessEqual(accounts | {"manifest.json", "findings-0001.parquet"}, self.objects(run))
        manifest = self.s3.get_object(Bucket=self.archive, Key=f"upright/runs/{run}/manifest.json")["Body"]
        manifest = json.load(manifest)
        self.assertEqual(manifest["accounts"], [ACCOUNT, MEMBER])
        # No account has a password policy. Of the buckets (code, templates, the archive and one of data in each
        # account) the archive alone refuses requests without TLS.
        found = manifest["findings"]
        self.assertEqual((found["fail"], found["pass"], found["unknown"]), (2 + 4, 1, 0), manifest)


if __name__ == "__main__":
    unittest.main()
