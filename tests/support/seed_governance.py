"""Seeds what governs the accounts: contacts, the organization's policies and delegates, Access Analyzer, Security Hub,
Config and Macie. What moto lacks of it is answered by moto_governance.py, which is told here."""

import json
from urllib.request import Request, urlopen

US, EU = "us-east-1", "eu-west-1"

OWNER = {
    "FullName": "Upright Example",
    "AddressLine1": "1 Main Street",
    "City": "Berlin",
    "PostalCode": "10115",
    "CountryCode": "DE",
    "PhoneNumber": "+493012345678",
}


def answers(world, account, region, asked, body, status=200):
    """Tells the emulator what to answer to a call that moto lacks."""
    one = {"account": world.id(account), "region": region, "asked": asked, "status": status, "body": body}
    with urlopen(Request(f"{world.endpoint}/upright/answers", json.dumps(one).encode(), method="POST")) as answered:
        assert answered.status == 200


def contacts(world):
    """prod has no contact information, and that of dev has a city of blanks; dev and sandbox have no security contact."""
    for account, owner in {"management": OWNER, "sandbox": OWNER, "dev": {**OWNER, "City": "  "}}.items():
        answers(world, account, "*", "account POST /getContactInformation", {"ContactInformation": owner})
    for account in ("management", "prod"):
        world.client(account, "account").put_alternate_contact(
            AlternateContactType="SECURITY",
            Name="Security",
            Title="Team",
            EmailAddress="security@upright.example",
            PhoneNumber="+493012345679",
        )


def organization(world):
    """A policy that denies covers Workloads, where all active members are. GuardDuty has a delegate and Config none."""
    org = world.client("management", "organizations")
    root = org.list_roots()["Roots"][0]["Id"]
    org.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    stay = {"Effect": "Deny", "Action": "organizations:LeaveOrganization", "Resource": "*"}
    policy = org.create_policy(
        Name="stay",
        Description="Members stay",
        Type="SERVICE_CONTROL_POLICY",
        Content=json.dumps({"Version": "2012-10-17", "Statement": [stay]}),
    )["Policy"]["PolicySummary"]["Id"]
    units = org.list_organizational_units_for_parent(ParentId=root)["OrganizationalUnits"]
    workloads = next(unit["Id"] for unit in units if unit["Name"] == "Workloads")
    org.attach_policy(PolicyId=policy, TargetId=workloads)
    for service in ("config.amazonaws.com", "guardduty.amazonaws.com"):
        org.enable_aws_service_access(ServicePrincipal=service)
    org.register_delegated_administrator(AccountId=world.id("sandbox"), ServicePrincipal="guardduty.amazonaws.com")
    features = (
        '<ListOrganizationsFeaturesResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">'
        "<ListOrganizationsFeaturesResult><EnabledFeatures><member>RootCredentialsManagement</member></EnabledFeatures>"
        "<OrganizationId>o-example</OrganizationId></ListOrganizationsFeaturesResult>"
        "<ResponseMetadata><RequestId>moto</RequestId></ResponseMetadata></ListOrganizationsFeaturesResponse>"
    )
    answers(world, "management", "*", "iam ListOrganizationsFeatures", features)


def analyzers(world):
    """sandbox has one for the organization in us-east-1; in eu-west-1 dev has one, and prod one of unused access."""

    def analyzer(account, region, kind):
        one = {
            "arn": f"arn:aws:access-analyzer:{region}:{world.id(account)}:analyzer/{kind.lower()}",
            "name": kind.lower(),
            "type": kind,
            "createdAt": "2026-01-01T00:00:00Z",
            "status": "ACTIVE",
        }
        answers(world, account, region, "access-analyzer GET /analyzer", {"analyzers": [one]})

    analyzer("sandbox", US, "ORGANIZATION")
    analyzer("dev", EU, "ACCOUNT")
    analyzer("prod", EU, "ACCOUNT_UNUSED_ACCESS")


def hubs(world):
    """Security Hub CSPM is on in prod, and in us-east-1 of management; sandbox uses the newer one there."""
    for account, region in (("management", US), ("prod", US), ("prod", EU)):
        world.client(account, "securityhub", region).enable_security_hub()
    hub = {"HubV2Arn": f"arn:aws:securityhub:{US}:{world.id('sandbox')}:hubv2/1", "SubscribedAt": "2026-01-01T00:00:00Z"}
    answers(world, "sandbox", US, "securityhub GET /hubv2", hub)


def recorders(world):
    """prod records everything, global types in us-east-1; dev's was never started; sandbox records buckets only."""

    def recorder(account, region, start=True, **group):
        config = world.client(account, "config", region)
        role = f"arn:aws:iam::{world.id(account)}:role/config"
        config.put_configuration_recorder(
            ConfigurationRecorder={"name": "default", "roleARN": role, "recordingGroup": group}
        )
        config.put_delivery_channel(DeliveryChannel={"name": "default", "s3BucketName": "upright-demo-org-trail"})
        if start:
            config.start_configuration_recorder(ConfigurationRecorderName="default")

    recorder("prod", US, allSupported=True, includeGlobalResourceTypes=True)
    recorder("prod", EU, allSupported=True, includeGlobalResourceTypes=False)
    recorder("dev", US, start=False, allSupported=True, includeGlobalResourceTypes=True)
    recorder("sandbox", US, allSupported=False, resourceTypes=["AWS::S3::Bucket"])


def macie(world):
    """On in us-east-1 of prod, with automated discovery, and of dev, where it looks at nothing."""
    for account, discovery in (("prod", "ENABLED"), ("dev", "DISABLED")):
        answers(world, account, US, "macie2 GET /macie", {"status": "ENABLED"})
        answers(world, account, US, "macie2 GET /automated-discovery/configuration", {"status": discovery})
        answers(world, account, US, "macie2 POST /jobs/list", {"items": []})
        answers(world, account, US, "macie2 GET /administrator", {})


def governance(world):
    for step in (contacts, organization, analyzers, hubs, recorders, macie):
        step(world)
