"""What the tests of --send do and see in the emulated organization, as the role of an account.

hub.py ACCOUNT ROLE findings      prints the findings of Security Hub there, as a JSON array
hub.py ACCOUNT ROLE make          makes a user and a bucket in each of two regions, and lets passwords be short
hub.py ACCOUNT ROLE change        takes them away, and asks for long passwords

Finds AWS by AWS_ENDPOINT_URL.
"""

import json
import sys

import boto3

USER = "hub-user"
BUCKETS = {"hub-bucket-here": "us-east-1", "hub-bucket-there": "eu-west-1"}


def findings(session):
    hub = session.client("securityhub", "us-east-1")
    pages = hub.get_paginator("get_findings").paginate()
    print(json.dumps([finding for page in pages for finding in page["Findings"]]))


def make(session):
    session.client("iam").create_user(UserName=USER)
    session.client("iam").update_account_password_policy(MinimumPasswordLength=6)
    for name, region in BUCKETS.items():
        more = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region != "us-east-1" else {}
        session.client("s3", region).create_bucket(Bucket=name, **more)


def change(session):
    session.client("iam").delete_user(UserName=USER)
    session.client("iam").update_account_password_policy(MinimumPasswordLength=20)
    for name, region in BUCKETS.items():
        session.client("s3", region).delete_bucket(Bucket=name)


def main():
    account, role, action = sys.argv[1:]
    arn = f"arn:aws:iam::{account}:role/{role}"
    given = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    session = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    {"findings": findings, "make": make, "change": change}[action](session)


main()
