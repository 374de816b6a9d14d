"""What the tests of `notify` make and see in the emulated AWS; prints JSON.

told.py make SENDER ADDRESS   verifies the sender, keeps the address as a secret, makes a topic with a queue behind it
told.py seen QUEUE            the mails that SES sent, and the messages in the queue

Finds AWS by AWS_ENDPOINT_URL.
"""

import email
import email.policy
import json
import os
import sys
import urllib.request

import boto3


def make(sender, address):
    boto3.client("sesv2").create_email_identity(EmailIdentity=sender)
    secret = boto3.client("secretsmanager").create_secret(Name="hook", SecretString=address)["ARN"]
    topic = boto3.client("sns").create_topic(Name="upright")["TopicArn"]
    queue = boto3.client("sqs").create_queue(QueueName="upright")["QueueUrl"]
    asked = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    arn = asked["Attributes"]["QueueArn"]
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return {"secret": secret, "topic": topic, "queue": queue}


def mail(message):
    parsed = email.message_from_string(message["raw_data"], policy=email.policy.default)
    kinds = [part.get_content_type() for part in parsed.walk() if not part.is_multipart()]
    # moto counts the receivers of the header besides those of the call.
    return {"destinations": sorted(set(message["destinations"])), "subject": parsed["Subject"], "kinds": kinds}


def seen(queue):
    with urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/moto-api/sent-mails.json") as answer:
        sent = json.load(answer)
    received = boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    messages = [json.loads(message["Body"]) for message in received.get("Messages", [])]
    return {"mails": [mail(message) for message in sent], "messages": messages}


action, *arguments = sys.argv[1:]
print(json.dumps({"make": make, "seen": seen}[action](*arguments)))
