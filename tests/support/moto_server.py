#!/usr/bin/env python3
"""moto's server, with the one answer corrected that a client of AWS cannot read.

GetBucketVersioning: moto calls the root element GetBucketVersioningResponse. AWS calls it VersioningConfiguration
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html), and the Rust SDK takes nothing else.
"""

import sys

import moto_governance  # noqa: F401  answers what moto lacks of some services
from moto.s3.responses import S3Response
from moto.server import main

as_moto_answers = S3Response.get_bucket_versioning


def as_aws_answers(self):
    status, headers, body = as_moto_answers(self)
    wrong, right = "GetBucketVersioningResponse", "VersioningConfiguration"
    if isinstance(body, bytes):
        wrong, right = wrong.encode(), right.encode()
    assert wrong in body, "moto has changed: the correction is no longer needed"
    return status, headers, body.replace(wrong, right)


S3Response.get_bucket_versioning = as_aws_answers

if __name__ == "__main__":
    sys.exit(main())
