"""What changes between the nights of a test in the emulated AWS.

nights.py make BUCKET    a bucket that nobody outside can read
nights.py open BUCKET    everybody can read it
nights.py close BUCKET   nobody outside can read it any more

Finds AWS by AWS_ENDPOINT_URL.
"""

import json
import sys

import boto3

s3 = boto3.client("s3", "us-east-1")


def make(name):
    s3.create_bucket(Bucket=name)
    close(name)


def open_up(name):
    s3.delete_public_access_block(Bucket=name)
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def close(name):
    s3.delete_bucket_policy(Bucket=name)
    everything = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"]
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(everything, True))


action, bucket = sys.argv[1:]
{"make": make, "open": open_up, "close": close}[action](bucket)
