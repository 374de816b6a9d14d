"""The way of a change through the stack of scanner.yaml: rule, queue, function; on ministack.

The function's program only forwards. That what fails comes back after twelve minutes, and is given up after five times,
is AWS's and not tried here; that the queue asks for it is in test_deploy.py.
"""

import json
import unittest
from pathlib import Path

import template
from ministack import REGION, Ministack, zipped
from tasks import Tasks

PROGRAM = Path(__file__).with_name("bootstrap.py").read_text(encoding="utf-8")
UNKNOWN_TO_MINISTACK = "BusPolicy"


# Only AWS itself may send events as `aws.…`, to ministack as well: rules and events of the test say another name.
OF_AWS, OF_TEST = '"aws.', '"test.'


def change(name):
    """A call as EventBridge tells it."""
    detail = {
        "eventSource": "s3.amazonaws.com",
        "eventName": name,
        "requestParameters": {"bucketName": "acme-logs"},
    }
    return {
        "Source": "test.s3",
        "DetailType": "AWS API Call via CloudTrail",
        "Detail": json.dumps(detail),
    }


class Events(unittest.TestCase):
    """Changes, and what is none."""

    def test_a_change_reaches_the_function_and_what_is_none_does_not(self):
        aws = self.enterContext(Ministack())
        tasks = Tasks(lambda event: {"batchItemFailures": []})
        self.addCleanup(tasks.stop)
        s3 = aws.client("s3")
        s3.create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": REGION})
        program = zipped({"bootstrap": PROGRAM.replace("FORWARD_TO", tasks.address).encode()})
        s3.put_object(Bucket="code", Key="1/bootstrap.zip", Body=program)
        body = template.load("scanner")
        del body["Resources"][UNKNOWN_TO_MINISTACK]
        body = json.loads(json.dumps(body).replace(OF_AWS, OF_TEST))
        parameters = {"CodeBucket": "code", "CodeKey": "1/bootstrap.zip", "BatchingSeconds": "0", "Schedule": ""}
        aws.deploy("scanner", body, **parameters)

        # Reads match no rule; the change after them ends the wait.
        events = aws.client("events")
        for name in ("GetBucketPolicy", "ListBuckets", "PutBucketPolicy"):
            self.assertEqual(events.put_events(Entries=[change(name)])["FailedEntryCount"], 0)
        self.assertTrue(tasks.wait_for(len), aws.log()[-4000:])
        records = [record for event in tasks.taken for record in event["Records"]]
        told = [json.loads(record["body"])["detail"]["eventName"] for record in records]
        self.assertEqual(told, ["PutBucketPolicy"])
        self.assertTrue(records[0]["eventSourceARN"].endswith(":upright-events"))

        # What a run is asked for by hand, or by the schedule, is another function's.
        asked = {"task": "scan"}
        answer = aws.client("lambda").invoke(FunctionName="upright-scan", Payload=json.dumps(asked))
        self.assertEqual(json.load(answer["Payload"]), {"batchItemFailures": []})
        self.assertIn(asked, tasks.taken)


if __name__ == "__main__":
    unittest.main()
