"""The state machine of fanout.yaml, made from the template and run: on ministack, moto runs none.

Its tasks arrive at a server of the test, through a Lambda function that only forwards them.
"""

import collections
import json
import threading
import unittest
from pathlib import Path

import template
from ministack import ACCOUNT, REGION, Ministack
from tasks import Tasks

BUCKET, PREFIX = "upright-archive", "upright"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alerts"
RUN = "20261130T023000Z-0a1b2c"
FORWARD = Path(__file__).with_name("forward.py").read_bytes()
ENDED = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")


def count(tasks):
    """How often each task arrived, accounts by id."""
    return collections.Counter(
        task["account"]["id"] if task["task"] == "scan-account" else task["task"] for task in tasks.taken
    )


class Fanout(unittest.TestCase):
    """Runs over ten accounts."""

    @classmethod
    def setUpClass(cls):
        cls.aws = cls.enterClassContext(Ministack())
        cls.s3, cls.states = cls.aws.client("s3"), cls.aws.client("stepfunctions")
        cls.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        sns, sqs = cls.aws.client("sns"), cls.aws.client("sqs")
        sns.create_topic(Name="alerts")
        cls.mailbox = sqs.create_queue(QueueName="mailbox")["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:mailbox"
        sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
        cls.key = cls.aws.client("kms").create_key()["KeyMetadata"]["Arn"]
        cls.accounts = [{"id": f"{number:012}", "name": f"account {number}"} for number in range(1, 11)]
        cls.s3.put_object(
            Bucket=BUCKET, Key=f"{PREFIX}/plans/{RUN}.json", Body=json.dumps(cls.accounts).encode()
        )

    def deploy(self, name, function, **more):
        """The template as a stack of this name; answers the ARN of the machine."""
        parameters = {
            "Name": name,
            "FunctionArn": function,
            "ArchiveBucket": BUCKET,
            "ArchivePrefix": PREFIX,
            "KeyArn": self.key,
            "TopicArn": TOPIC,
            "Schedule": "",
            **more,
        }
        return self.aws.deploy(name, template.load("fanout"), **parameters)["MachineArn"]

    def run_over(self, name, scanned, planned=None, finished=None, **more):
        """Runs a machine; answers the execution and how often each task arrived."""

        def answer(task):
            match task["task"]:
                case "plan":
                    self.assertEqual(task, {"task": "plan", "execution": name})
                    items = {"bucket": BUCKET, "key": f"{PREFIX}/plans/{RUN}.json"}
                    return (planned or (lambda: {"run": RUN, "accounts": len(self.accounts), "items": items}))()
                case "scan-account":
                    self.assertEqual((sorted(task), task["run"]), (["account", "run", "task"], RUN))
                    self.assertIn(task["account"], self.accounts)
                    return scanned(task["account"]["id"])
                case "finish":
                    self.assertEqual(task, {"task": "finish", "run": RUN})
                    return (finished or (lambda: {"run": RUN, "summary": {"failed": 3}}))()
            self.fail(f"unknown task {task}")

        tasks = Tasks(answer)
        self.addCleanup(tasks.stop)
        function = self.aws.function(name, {"handler.py": FORWARD}, FORWARD_TO=tasks.address)
        machine = self.deploy(name, function, **more)
        execution = self.states.start_execution(stateMachineArn=machine, name=name, input="{}")["executionArn"]
        pause = threading.Event()
        for _ in range(3600):
            told = self.states.describe_execution(executionArn=execution)
            if told["status"] in ENDED:
                return told, count(tasks)
            pause.wait(0.05)
        self.fail(f"{told}\n{self.aws.log()[-4000:]}")

    def mails(self):
        """What was published since the last look."""
        sqs, found = self.aws.client("sqs"), []
        while messages := sqs.receive_message(QueueUrl=self.mailbox, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(message["Body"])
                sqs.delete_message(QueueUrl=self.mailbox, ReceiptHandle=message["ReceiptHandle"])
        return found

    @staticmethod
    def scanned(account):
        """The answer of an account that all went well with."""
        return {"account": account, "state": "scanned", "seconds": 1.5}

    def test_a_crash_is_tried_again_and_a_failure_is_tolerated(self):
        crashed = threading.Event()

        def scan(account):
            if account == "000000000003" and not crashed.is_set():
                crashed.set()
                raise RuntimeError("connection reset")
            if account == "000000000007":
                raise RuntimeError("out of memory")
            return self.scanned(account)

        told, tries = self.run_over("tolerated", scan)
        self.assertEqual(told["status"], "SUCCEEDED", told)
        self.assertEqual(json.loads(told["output"])["finished"]["summary"]["summary"], {"failed": 3})
        expected = {account["id"]: 1 for account in self.accounts} | {"000000000003": 2, "000000000007": 3}
        self.assertEqual(tries, {"plan": 1, "finish": 1, **expected})
        self.assertEqual(self.mails(), [])

    def test_an_account_that_says_it_failed_is_not_tried_again(self):
        def scan(account):
            return {"account": account, "state": "failed" if account == "000000000001" else "scanned", "seconds": 1}

        told, tries = self.run_over("said", scan)
        self.assertEqual((told["status"], tries["000000000001"], tries["finish"]), ("SUCCEEDED", 1, 1), told)

    def test_too_many_failures_still_finish_and_are_told(self):
        def scan(account):
            if account in ("000000000001", "000000000002"):
                raise RuntimeError("out of memory")
            return self.scanned(account)

        told, tries = self.run_over("too-many", scan, RetryAttempts="0")
        self.assertEqual((told["status"], tries["finish"]), ("FAILED", 1), told)
        self.assertEqual(told["error"], "States.ExceedToleratedFailureThreshold")
        (mail,) = self.mails()
        self.assertIn("too-many", mail)
        self.assertIn("States.ExceedToleratedFailureThreshold", mail)

    def test_a_plan_that_fails_scans_nothing_and_is_told(self):
        def planned():
            raise RuntimeError("organizations:ListAccounts was denied")

        told, tries = self.run_over("no-plan", self.scanned, planned=planned)
        self.assertEqual((told["status"], tries), ("FAILED", {"plan": 3}), told)
        (mail,) = self.mails()
        self.assertIn("organizations:ListAccounts was denied", mail)

    def test_a_finish_that_fails_is_tried_again_and_told(self):
        def finished():
            raise RuntimeError("the archive does not answer")

        told, tries = self.run_over("no-finish", self.scanned, finished=finished)
        self.assertEqual((told["status"], tries["finish"]), ("FAILED", 3), told)
        (mail,) = self.mails()
        self.assertIn("the archive does not answer", mail)


if __name__ == "__main__":
    unittest.main()
