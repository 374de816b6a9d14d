"""Holds the tables of events against AWS's own models of its APIs, as botocore has them.

Reads JSON from standard input, a list of {"source": "s3.amazonaws.com", "names": ["PutBucketPolicy"], "paths": [...]}, and
prints a line for each call that no API has, for each call that has none of the paths, and for each path that none of the
calls has. A path is a place in a CloudTrail record; those that begin with `requestParameters.` or `responseElements.` are
looked up.
"""

import json
import re
import sys

import botocore.session

# eventSource, where it is not what botocore calls the service.
SERVICES = {
    "access-analyzer": "accessanalyzer",
    "elasticfilesystem": "efs",
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
    "sso": "sso-admin",
}
# Two APIs share a source.
MORE = {"apigateway": ["apigatewayv2"], "elasticloadbalancing": ["elb"]}
# CloudTrail's names of S3's calls that S3's API calls otherwise
# (https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html).
S3_NAMES = {
    "PutAccountPublicAccessBlock": ("s3control", "PutPublicAccessBlock"),
    "DeleteAccountPublicAccessBlock": ("s3control", "DeletePublicAccessBlock"),
    "PutBucketPublicAccessBlock": ("s3", "PutPublicAccessBlock"),
    "DeleteBucketPublicAccessBlock": ("s3", "DeletePublicAccessBlock"),
}
# Members that CloudTrail writes and the API calls otherwise: S3 writes `bucketName` for `Bucket`.
RENAMED = {("s3", "bucketname"): "bucket"}

session = botocore.session.get_session()
models = {}


def operations(service, name):
    """The operations that an event may be of."""
    if service == "s3" and name in S3_NAMES:
        candidates = [S3_NAMES[name]]
    else:
        # Lambda puts the version of its API behind the name.
        bare = re.sub(r"\d{8}(v\d)?$", "", name)
        candidates = [(one, bare) for one in [SERVICES.get(service, service), *MORE.get(service, [])]]
    for api, operation in candidates:
        if api not in models:
            models[api] = session.get_service_model(api)
        if operation in models[api].operation_names:
            yield models[api].operation_model(operation)


def members(shape):
    """The members of a structure by the names that CloudTrail may write, in lower case."""
    found = {}
    for name, member in shape.members.items():
        found[name.lower()] = member
        # EC2's names on the wire are those of CloudTrail.
        for key in ("name", "locationName", "queryName"):
            if key in member.serialization:
                found[member.serialization[key].lower()] = member
    return found


def has(shape, steps, service):
    if not steps:
        return True
    if shape is None:
        return False
    step, rest = steps[0], steps[1:]
    if shape.type_name == "list":
        # `items` is how EC2 writes a list, `*` how the table names its elements.
        return has(shape, rest, service) if step == "items" else step == "*" and has(shape.member, rest, service)
    if shape.type_name != "structure":
        return False
    # EC2's younger calls are written whole.
    if re.fullmatch(r"\w+(Request|Response)", step) and step.lower() not in members(shape):
        return has(shape, rest, service)
    known = members(shape)
    wanted = RENAMED.get((service, step.lower()), step.lower())
    for name in (wanted, re.sub(r"set$", "", wanted), re.sub(r"set$", "s", wanted), re.sub(r"sset$", "ids", wanted)):
        if name in known:
            inner = known[name]
            # A list of ids is written as a list of objects with one member.
            if inner.type_name == "list" and inner.member.type_name == "string" and rest[:2] == ["items", "*"]:
                return True
            if has(inner, rest, service):
                return True
    # What stands inside another structure, such as a request body that CloudTrail opens.
    return any(m.type_name == "structure" and len(known) == 1 and has(m, steps, service) for m in known.values())


def holds(service, operation, alternatives):
    """Whether the event of a call may have something at one of the paths."""
    for path in alternatives.split("|"):
        root, *steps = path.split(".")
        shapes = {"requestParameters": operation.input_shape, "responseElements": operation.output_shape}
        if root not in shapes or has(shapes[root], steps, service):
            return True
    return False


for row in json.load(sys.stdin):
    service = row["source"].removesuffix(".amazonaws.com")
    calls = {name: list(operations(service, name)) for name in row["names"]}
    for name, found in calls.items():
        if not found:
            print(f"{service}:{name} is no call")
        elif row["paths"] and not any(holds(service, one, path) for one in found for path in row["paths"]):
            print(f"{service}:{name} has none of {row['paths']}")
    every = [operation for found in calls.values() for operation in found]
    for path in row["paths"]:
        if not any(holds(service, operation, path) for operation in every):
            print(f"{service}: no call of {row['names']} has {path}")
