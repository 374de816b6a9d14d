#!/usr/bin/env python3
"""moto's server, with the one answer corrected that a client of AWS cannot read, and one call added.

GetBucketVersioning: moto calls the root element GetBucketVersioningResponse. AWS calls it VersioningConfiguration
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html), and the Rust SDK takes nothing else.
GetVaultAccessPolicy, SetVaultAccessPolicy: moto's Glacier has no access policies. The answers are those of AWS
(https://docs.aws.amazon.com/amazonglacier/latest/dev/api-GetVaultAccessPolicy.html).
/moto-api/sent-mails.json: the raw messages that SES has sent. moto's own data.json fails over what the seed makes.
"""

import json
import sys

import moto_governance  # noqa: F401  answers what moto lacks of some services
from moto.glacier import urls as glacier_urls
from moto.glacier.responses import GlacierResponse
from moto.moto_api._internal import urls as api_urls
from moto.s3.responses import S3Response
from moto.server import main
from moto.ses.models import ses_backends

as_moto_answers = S3Response.get_bucket_versioning


def as_aws_answers(self):
    status, headers, body = as_moto_answers(self)
    wrong, right = "GetBucketVersioningResponse", "VersioningConfiguration"
    if isinstance(body, bytes):
        wrong, right = wrong.encode(), right.encode()
    assert wrong in body, "moto has changed: the correction is no longer needed"
    return status, headers, body.replace(wrong, right)


S3Response.get_bucket_versioning = as_aws_answers


def vault_of(response):
    name = response.uri.split("/vaults/")[1].split("/")[0]
    return response.glacier_backend.describe_vault(name)


def set_vault_access_policy(self):
    vault_of(self).access_policy = json.loads(self.body)["Policy"]
    return 204, {"status": 204}, ""


def get_vault_access_policy(self):
    headers = {"content-type": "application/json"}
    policy = getattr(vault_of(self), "access_policy", None)
    if policy is None:
        absent = {"code": "ResourceNotFoundException", "type": "Client", "message": "No vault access policy is set."}
        return 404, {**headers, "status": 404, "x-amzn-errortype": absent["code"]}, json.dumps(absent)
    return 200, headers, json.dumps({"Policy": policy})


GlacierResponse.set_vault_access_policy = set_vault_access_policy
GlacierResponse.get_vault_access_policy = get_vault_access_policy
glacier_urls.url_paths["{0}/(?P<account_number>.+)/vaults/(?P<vault_name>[^/]+)/access-policy$"] = (
    GlacierResponse.dispatch
)


def sent_mails(request, full_url, headers):
    backends = [backend for of_account in ses_backends.values() for backend in of_account.values()]
    messages = [message for backend in backends for message in backend.sent_messages]
    raw = [
        {"destinations": message.destinations, "raw_data": message.raw_data}
        for message in messages
        if hasattr(message, "raw_data")
    ]
    return 200, {"content-type": "application/json"}, json.dumps(raw)


api_urls.url_paths["{0}/moto-api/sent-mails.json"] = sent_mails

if __name__ == "__main__":
    sys.exit(main())
