"""Asks the seeded organization with boto3, whose signer, protocols and paginators are not ours.

Finds AWS by AWS_ENDPOINT_URL and prints every answer as JSON.
"""

import functools
import json
import socket
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

LISTS = {
    "iam": [
        "list_users", "list_roles", "list_groups", "list_instance_profiles", "list_virtual_mfa_devices",
        "list_server_certificates",
    ],
    "ec2": [
        "describe_flow_logs", "describe_instances", "describe_internet_gateways", "describe_managed_prefix_lists",
        "describe_network_acls", "describe_network_interfaces", "describe_route_tables", "describe_security_groups",
        "describe_security_group_rules", "describe_subnets", "describe_volumes", "describe_vpc_endpoints",
        "describe_vpc_peering_connections", "describe_vpcs",
    ],
    "kms": ["list_keys", "list_aliases"],
    "cloudtrail": ["list_trails"],
}
PER_USER = [
    "list_access_keys", "list_attached_user_policies", "list_user_policies", "list_groups_for_user",
    "list_mfa_devices", "list_user_tags",
]
PER_BUCKET = [
    "get_bucket_acl", "get_bucket_encryption", "get_bucket_location", "get_bucket_logging",
    "get_bucket_ownership_controls", "get_bucket_policy", "get_bucket_policy_status", "get_bucket_tagging",
    "get_bucket_versioning", "get_public_access_block",
]

found = {}


def resolve_localhost(real):
    """Names under localhost are this machine (RFC 6761), which glibc leaves to a plugin."""

    def getaddrinfo(host, *more, **kind):
        local = isinstance(host, str) and host.endswith(".localhost")
        return real("127.0.0.1" if local else host, *more, **kind)

    return getaddrinfo


def note(place, operation, answer, **params):
    answer.pop("ResponseMetadata", None)
    found[f"{place} {operation} {json.dumps(params, sort_keys=True)}"] = answer


def one(place, client, operation, **params):
    try:
        answer = getattr(client, operation)(**params)
    except ClientError as error:
        answer = {"error": error.response["Error"]["Code"]}
    note(place, operation, answer, **params)
    return answer


def every(place, client, operation, **params):
    answer = client.get_paginator(operation).paginate(**params).build_full_result()
    note(place, operation, answer, **params)
    return answer


def account(own, me, keys, style):
    """`keys` of a session in the account `me`, or none for the own account."""

    @functools.cache
    def client(service, region="us-east-1"):
        config = Config(retries={"max_attempts": 0}, s3={"addressing_style": style})
        return own.client(service, region_name=region, config=config, **keys)

    iam = client("iam")
    one(me, iam, "get_account_summary")
    for operation in LISTS["iam"]:
        every(me, iam, operation)
    for user in found[f"{me} list_users {{}}"]["Users"]:
        for operation in PER_USER:
            every(me, iam, operation, UserName=user["UserName"])
    for policy in every(me, iam, "list_policies", Scope="Local")["Policies"]:
        every(me, iam, "list_entities_for_policy", PolicyArn=policy["Arn"])
        every(me, iam, "list_policy_versions", PolicyArn=policy["Arn"])
    one(me, client("s3control"), "get_public_access_block", AccountId=me)
    s3 = client("s3")
    for bucket in every(me, s3, "list_buckets")["Buckets"]:
        for operation in PER_BUCKET:
            one(me, s3, operation, Bucket=bucket["Name"])
    for region in ("us-east-1", "eu-west-1"):
        place = f"{me}/{region}"
        for service in ("ec2", "kms", "cloudtrail"):
            for operation in LISTS[service]:
                every(place, client(service, region), operation)
        lists = found[f"{place} describe_managed_prefix_lists {{}}"]["PrefixLists"]
        for listed in lists:
            if listed["OwnerId"] == me:
                one_list = {"PrefixListId": listed["PrefixListId"]}
                every(place, client("ec2", region), "get_managed_prefix_list_entries", **one_list)
        one(place, client("cloudtrail", region), "describe_trails")


def main():
    socket.getaddrinfo = resolve_localhost(socket.getaddrinfo)
    own = boto3.Session()
    me = own.client("sts").get_caller_identity()["Account"]
    organizations = own.client("organizations")
    # More policies than the emulator puts on a page.
    every(me, own.client("iam"), "list_policies", Scope="AWS")
    root = every(me, organizations, "list_roots")["Roots"][0]["Id"]
    every(me, organizations, "list_organizational_units_for_parent", ParentId=root)
    every(me, own.client("sso-admin"), "list_instances")
    for number, listed in enumerate(every(me, organizations, "list_accounts")["Accounts"]):
        every(me, organizations, "list_parents", ChildId=listed["Id"])
        every(me, organizations, "list_tags_for_resource", ResourceId=listed["Id"])
        if listed["Status"] != "ACTIVE":
            continue
        keys = {}
        if listed["Id"] != me:
            role = f"arn:aws:iam::{listed['Id']}:role/OrganizationAccountAccessRole"
            given = own.client("sts").assume_role(RoleArn=role, RoleSessionName="ask")["Credentials"]
            keys = {
                "aws_access_key_id": given["AccessKeyId"],
                "aws_secret_access_key": given["SecretAccessKey"],
                "aws_session_token": given["SessionToken"],
            }
        account(own, listed["Id"], keys, "virtual" if number % 2 else "path")
    json.dump(found, sys.stdout, default=str, sort_keys=True, indent=1)


main()
