"""What tests/all/events_sources.rs reads and sees in the emulator.

events.py RECORD   makes a bucket with the record in two objects and a queue with their notifications, one of which is
                   about an object that is gone; prints the URL of the queue
events.py left     prints how many messages are in the queue, with readers or not

Finds AWS by AWS_ENDPOINT_URL.
"""

import gzip
import json
import sys
from urllib.parse import quote_plus

import boto3

BUCKET, QUEUE, REGION = "events-bucket", "events", "eu-central-1"
FOLDER = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/24/"
NAME = "111122223333_CloudTrail_us-east-1_20261124T0305Z_"


def make(record):
    s3, sqs = boto3.client("s3", REGION), boto3.client("sqs", "us-east-1")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    body = gzip.compress(json.dumps({"Records": [json.loads(record)]}).encode())
    keys = [f"{FOLDER}{NAME}{end}.json.gz" for end in ("a", "b +ü")]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    url = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
    for key in [*keys, f"{FOLDER}{NAME}gone.json.gz"]:
        told = {"bucket": {"name": BUCKET}, "object": {"key": quote_plus(key)}}
        event = {"eventName": "ObjectCreated:Put", "awsRegion": REGION, "s3": told}
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"Records": [event]}))
    print(url)


def left():
    sqs = boto3.client("sqs", "us-east-1")
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"], AttributeNames=names)
    print(sum(int(found["Attributes"][name]) for name in names))


left() if sys.argv[1] == "left" else make(sys.argv[1])
