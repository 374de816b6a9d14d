"""What moto lacks of the services that govern an account: answers that seed_governance.py gives it, and else what AWS
says where nothing was set up.

access-analyzer, Macie, account:GetContactInformation, securityhub:DescribeSecurityHubV2, iam:ListOrganizationsFeatures and
organizations:DescribeResourcePolicy. moto has no Access Analyzer, and its Macie is on in every region of every account.

    POST /upright/answers    {"account", "region", "asked", "status", "body"}

`asked` is a key of NOTHING below; `region` is `*` for services without one. Errors have the codes of AWS's API pages.
"""

import io
import json
import re

from moto.iam.models import get_account_id_from
from moto.moto_server.werkzeug_app import DomainDispatcherApplication

SCOPE = re.compile(r"Credential=([^/]+)/[^/]+/([^/]+)/([^/]+)/aws4_request")
MACIE_IS_OFF = (403, {"__type": "AccessDeniedException", "message": "Macie is not enabled"})
NO_FEATURES = (
    '<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>'
    "<Code>ServiceAccessNotEnabledException</Code><Message>Trusted access is not enabled for IAM.</Message></Error>"
    "<RequestId>moto</RequestId></ErrorResponse>"
)

NOTHING = {
    "access-analyzer GET /analyzer": (200, {"analyzers": []}),
    "account POST /getContactInformation": (
        404, {"__type": "ResourceNotFoundException", "message": "No contact information was found."}
    ),
    "iam ListOrganizationsFeatures": (400, NO_FEATURES),
    "macie2 GET /administrator": MACIE_IS_OFF,
    "macie2 GET /automated-discovery/configuration": MACIE_IS_OFF,
    "macie2 GET /macie": MACIE_IS_OFF,
    "macie2 POST /jobs/list": MACIE_IS_OFF,
    "organizations DescribeResourcePolicy": (
        400, {"__type": "ResourcePolicyNotFoundException", "message": "There is no resource policy."}
    ),
    "securityhub GET /hubv2": (404, {"__type": "ResourceNotFoundException", "message": "Security Hub is not enabled."}),
}

given = {}
as_moto_answers = DomainDispatcherApplication.__call__


def body_of(environ):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def asked_of(environ, service):
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return f"{service} {target.rsplit('.', 1)[-1]}"
    if service == "iam":
        action = re.search(rb"(?:^|&)Action=(\w+)", body_of(environ))
        return f"iam {action[1].decode()}" if action else None
    return f"{service} {environ['REQUEST_METHOD']} {environ['PATH_INFO']}"


def answer(start_response, status, body):
    is_xml = isinstance(body, str)
    kind = "text/xml" if is_xml else "application/json"
    start_response(f"{status} as AWS", [("content-type", kind)])
    return [body.encode() if is_xml else json.dumps(body).encode()]


def as_aws_answers(self, environ, start_response):
    if environ["PATH_INFO"] == "/upright/answers":
        one = json.loads(body_of(environ))
        assert one["asked"] in NOTHING, f"{one['asked']} is moto's to answer"
        given[one["account"], one["region"], one["asked"]] = one["status"], one["body"]
        return answer(start_response, 200, {})
    scope = SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    asked = scope and asked_of(environ, scope[3])
    if asked not in NOTHING:
        return as_moto_answers(self, environ, start_response)
    account = get_account_id_from(scope[1])
    status, body = given.get((account, scope[2], asked)) or given.get((account, "*", asked)) or NOTHING[asked]
    return answer(start_response, status, body)


DomainDispatcherApplication.__call__ = as_aws_answers
