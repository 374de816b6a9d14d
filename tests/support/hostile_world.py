"""What a hostile member of the emulated organization makes; prints JSON.

hostile_world.py account NAME        an account of that name: {"account": ID}
hostile_world.py groups ID NAME ...  security groups of these names in that account, each open to everybody

Finds AWS by AWS_ENDPOINT_URL.
"""

import json
import sys

import boto3


def account(name):
    organizations = boto3.client("organizations", "us-east-1")
    made = organizations.create_account(AccountName=name, Email="hostile@upright.example")
    return {"account": made["CreateAccountStatus"]["AccountId"]}


def groups(account_id, *names):
    role = f"arn:aws:iam::{account_id}:role/OrganizationAccountAccessRole"
    keys = boto3.client("sts", "us-east-1").assume_role(RoleArn=role, RoleSessionName="hostile")["Credentials"]
    session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name="us-east-1")
    ec2 = session.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    everybody = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    for name in names:
        group = ec2.create_security_group(GroupName=name, Description="x", VpcId=vpc)["GroupId"]
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=everybody)
    return {}


action, *arguments = sys.argv[1:]
print(json.dumps({"account": account, "groups": groups}[action](*arguments)))
