"""What the tests of `notify` make and see in the emulated AWS; prints JSON.

told.py make SENDER ADDRESS   verifies the sender, keeps the address as a secret, makes a topic with a queue behind it
told.py sender SENDER         verifies the sender
told.py seen QUEUE            the mails that SES sent, and the messages in the queue
told.py mails                 the mails that SES sent, in order, with their parts

Finds AWS by AWS_ENDPOINT_URL.
"""

import email
import email.policy
import json
import os
import sys
import urllib.request

import boto3


def sender(address):
    boto3.client("sesv2").create_email_identity(EmailIdentity=address)


def make(sender_address, address):
    sender(sender_address)
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


def part(of):
    content = of.get_content()
    size = len(content if isinstance(content, bytes) else content.encode())
    return {"type": of.get_content_type(), "size": size, "text": content if isinstance(content, str) else ""}


def sent_mails():
    with urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/moto-api/sent-mails.json") as answer:
        return json.load(answer)


def mails():
    def mail_of(message):
        parsed = email.message_from_string(message["raw_data"], policy=email.policy.default)
        return {
            "to": sorted(set(message["destinations"])),
            "headers": [[name, str(value)] for name, value in parsed.items()],
            "parts": [part(one) for one in parsed.walk() if not one.is_multipart()],
            "defects": [str(defect) for one in parsed.walk() for defect in one.defects],
        }

    return [mail_of(message) for message in sent_mails()]


def seen(queue):
    sent = sent_mails()
    received = boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    messages = [json.loads(message["Body"]) for message in received.get("Messages", [])]
    return {"mails": [mail(message) for message in sent], "messages": messages}


action, *arguments = sys.argv[1:]
print(json.dumps({"make": make, "sender": sender, "seen": seen, "mails": mails}[action](*arguments)))
