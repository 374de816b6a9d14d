"""What the tests of the Lambda function make and see in the emulated AWS; prints JSON.

lambda.py make                       the bucket of the archive and that of a trail, a topic, and a queue behind it
lambda.py put BUCKET KEY             puts an object that is read from standard input, compressed where the key says so
lambda.py objects BUCKET PREFIX      the objects below a prefix: key to text, or to none where it is no text
lambda.py public BUCKET               lets everyone read a bucket by its policy
lambda.py received QUEUE             the messages in the queue, which are taken out of it

Finds AWS by AWS_ENDPOINT_URL.
"""

import gzip
import json
import sys

import boto3

s3, sns, sqs = (boto3.client(name, "us-east-1") for name in ("s3", "sns", "sqs"))


def make():
    for bucket in ("acme-audit", "trail-bucket"):
        s3.create_bucket(Bucket=bucket)
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="alerts")["QueueUrl"]
    asked = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=asked["Attributes"]["QueueArn"])
    return {"topic": topic, "queue": queue}


def put(bucket, key):
    content = sys.stdin.buffer.read()
    s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(content) if key.endswith(".gz") else content)


def text(bucket, key):
    content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def objects(bucket, prefix):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {found["Key"]: text(bucket, found["Key"]) for page in pages for found in page.get("Contents", [])}


def public(bucket):
    read = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [read]}))


def received(queue):
    messages = []
    while batch := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
        for message in batch:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            messages.append(json.loads(message["Body"]))
    return messages


action, *arguments = sys.argv[1:]
actions = {"make": make, "put": put, "objects": objects, "public": public, "received": received}
print(json.dumps(actions[action](*arguments)))
