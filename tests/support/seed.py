#!/usr/bin/env python3
"""Seeds a fresh emulated AWS (moto) with the organization that tests/expected_demo.csv judges.

    MOTO_IAM_LOAD_MANAGED_POLICIES=true MOTO_EC2_LOAD_DEFAULT_AMIS=false moto_server -H 127.0.0.1 -p PORT
    curl -X POST 'http://127.0.0.1:PORT/moto-api/seed?a=42'        # so that account ids repeat
    python seed.py --endpoint http://127.0.0.1:PORT > seeded.json

Prints one JSON object; nothing else goes to stdout. It wants an emulator without an organization and
never talks to AWS: the endpoint is required, and only 127.0.0.1, localhost and ::1 are accepted.
With the seed above the account ids are the same in every run; ids of EC2 are not, so go by `names`.

    accounts       alias → {id, name, email, status, ou, scanned}
    organization   organization, root and OU ids
    roles          names of the roles in every account, closed one included
    regions        the regions that hold resources; expected_demo.csv covers only these
    resources      alias → kind → symbolic name → id or ARN
    names          id or ARN → {name, account, region, type}, for every resource that a control judges

Conventions of expected_demo.csv, and of `names`
------------------------------------------------
account    alias: management (moto's caller), prod, dev, sandbox. `old` is closed (ListAccounts says
           SUSPENDED), holds nothing but roles, and has no rows: it is not scanned.
region     the region, or `global` for IAM and account-scoped rows. A bucket's region is its own; a trail's
           is its home region and it has one row, though DescribeTrails repeats it in other regions.
resource   account-scoped: the alias. Region settings: the region. Users, customer policies, server
           certificates, buckets, trails: their name. Instances: the Name tag.
           VPC: Name tag; a region's default VPC has none and is `default-vpc`.
           Security group: GroupName@VPC (`default@default-vpc`, `ssh-open@dev-main`).
           Network ACL and route table: Name tag@VPC; without a tag (the VPC's default ACL, its main
           route table) `default@VPC`.
           Databases, file systems, keys, secrets, vaults: see seed_data.py.
           Functions, load balancers: their name. Distributions: their comment. Stages: API/STAGE.
names      keyed by what AWS calls the resource: sg-, acl-, rtb-, vpc-, i- ids; ARNs of users, customer
           policies, server certificates, buckets, trails and all of seed_data.py; the account id for
           account-scoped rows; `ACCOUNT/REGION` for region settings.

What has no row
---------------
- ec2-default-sg-closed on groups not named `default`: always not_applicable.
- AWS-managed policies under iam-policy-no-admin-star, attached or not (dev attaches AdministratorAccess,
  which fails unless the parameter excuses it; the others attached grant less).
- The account `old`, and regions other than REGIONS, where moto also has default VPCs.

Verdicts are what Upright must say of moto's ANSWERS. `manual` is the verdict of an evidence-only control
on a resource that does not fail. A rule of the form "if A then B" passes where A is false (a user without
a password passes iam-user-mfa); not_applicable is for what the rule leaves out by name: terminated
instances, policies that are not attached, route tables without a route to a peering, and VPCs without
network interfaces under vpc-endpoints-used.
"""

import argparse
import json
import sys
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from seed_data import data
from seed_frontend import frontend_dev, frontend_prod
from seed_governance import governance
from seed_monitoring import monitoring

US, EU = "us-east-1", "eu-west-1"
REGIONS = [US, EU]
SCANNED = ["management", "prod", "dev", "sandbox"]
ADMIN_ROLE = "OrganizationAccountAccessRole"
SCANNER_ROLE = "UprightScanner"
BUCKET_PREFIX = "upright-demo-"
AWS_POLICY = "arn:aws:iam::aws:policy/"
ANY4, ANY6 = "0.0.0.0/0", "::/0"
# moto keeps no AMIs when told to load none, and accepts any id.
IMAGE = "ami-12c6146b"

ALL_BLOCKED = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}

# Text an attacker may put into a tag; it must never become markup, a formula or a log line.
HOSTILE_TAGS = {
    "note": "<script>alert('upright')</script>",
    "formula": '=HYPERLINK("http://example.invalid","x")',
    "owner": "Zoë Ünïcode ☂",
}


def document(*statements):
    """A policy document of these statements, as JSON text."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def trust(principal, action="sts:AssumeRole", **more):
    return document({"Effect": "Allow", "Principal": principal, "Action": action, **more})


def tags(mapping):
    return [{"Key": key, "Value": value} for key, value in mapping.items()]


class World:
    """The endpoint, and everything made behind it."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.sessions = {}
        self.accounts = {}
        self.resources = {}
        self.names = {}

    def client(self, account, service, region=US):
        made = self.sessions[account].client(
            service,
            region_name=region,
            endpoint_url=self.endpoint,
            config=Config(
                retries={"max_attempts": 0},
                s3={"addressing_style": "path"},
                connect_timeout=10,
                read_timeout=120,
            ),
        )
        if service == "s3control":
            # It puts the account id in front of the host (123456789012.127.0.0.1), which does not resolve.
            def drop_host_prefix(request, **_):
                request.url = self.endpoint + urlsplit(request.url).path

            made.meta.events.register("before-sign.s3-control", drop_host_prefix)
        return made

    def made(self, account, kind, name, identifier):
        """Notes something made, under its symbolic name."""
        self.resources.setdefault(account, {}).setdefault(kind, {})[name] = identifier
        return identifier

    def got(self, account, kind, name):
        return self.resources[account][kind][name]

    def named(self, identifier, name, account, region, kind):
        """Notes what expected_demo.csv calls a resource."""
        assert identifier not in self.names, f"{identifier} named twice"
        self.names[identifier] = {"name": name, "account": account, "region": region, "type": kind}

    def id(self, account):
        return self.accounts[account]["id"]


# --- The organization


def organization(world):
    """Root > Workloads > {Production: prod, Development: dev, sandbox}, Root > Suspended: old."""
    world.sessions["management"] = boto3.Session("testing", "testing", region_name=US)
    org = world.client("management", "organizations")
    info = org.create_organization(FeatureSet="ALL")["Organization"]
    root = org.list_roots()["Roots"][0]["Id"]

    def unit(name, parent):
        return org.create_organizational_unit(ParentId=parent, Name=name)["OrganizationalUnit"]["Id"]

    workloads = unit("Workloads", root)
    units = {
        "Root": root,
        "Workloads": workloads,
        "Production": unit("Production", workloads),
        "Development": unit("Development", workloads),
        "Suspended": unit("Suspended", root),
    }
    world.accounts["management"] = {
        "id": info["MasterAccountId"],
        "email": info["MasterAccountEmail"],
        "status": "ACTIVE",
        "ou": "Root",
        "scanned": True,
    }
    members = {
        "prod": ("Production", {"env": "prod", "cost-center": "1001"}),
        "dev": ("Development", {"env": "dev", **HOSTILE_TAGS}),
        "sandbox": ("Workloads", {"env": "sandbox"}),
        "old": ("Suspended", {"env": "old"}),
    }
    for alias, (ou, account_tags) in members.items():
        email = f"aws+{alias}@upright.example"
        status = org.create_account(AccountName=alias, Email=email, Tags=tags(account_tags))
        account = status["CreateAccountStatus"]["AccountId"]
        org.move_account(AccountId=account, SourceParentId=root, DestinationParentId=units[ou])
        world.accounts[alias] = {"id": account, "email": email, "ou": ou, "scanned": alias != "old"}
        role = f"arn:aws:iam::{account}:role/{ADMIN_ROLE}"
        keys = world.client("management", "sts").assume_role(RoleArn=role, RoleSessionName="seed")["Credentials"]
        world.sessions[alias] = boto3.Session(
            keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=US
        )
        seen = world.client(alias, "sts").get_caller_identity()["Account"]
        assert seen == account, f"assumed a role in {account} but landed in {seen}"
    for alias in world.accounts:
        scanner_role(world, alias)
    org.close_account(AccountId=world.id("old"))
    for listed in org.get_paginator("list_accounts").paginate().search("Accounts"):
        alias = next(a for a in world.accounts if world.id(a) == listed["Id"])
        world.accounts[alias].update(name=listed["Name"], status=listed["Status"])
    return {"id": info["Id"], "root": root, "units": units}


def scanner_role(world, account):
    iam = world.client(account, "iam")
    role = iam.create_role(
        RoleName=SCANNER_ROLE,
        AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::{world.id('management')}:root"}),
        Description="Read-only role that Upright scans with",
    )["Role"]
    iam.attach_role_policy(RoleName=SCANNER_ROLE, PolicyArn=AWS_POLICY + "SecurityAudit")
    iam.put_role_policy(
        RoleName=SCANNER_ROLE,
        PolicyName="UprightExtras",
        PolicyDocument=document(allow(["ec2:GetEbsEncryptionByDefault", "s3:GetAccountPublicAccessBlock"])),
    )
    world.made(account, "roles", SCANNER_ROLE, role["Arn"])


# --- IAM


def user(world, account, name, password=False, mfa=None, keys=(), groups=(), boundary=None):
    """mfa: None, "assigned" or "unassigned". keys: "unused", "used" or "inactive" each."""
    iam = world.client(account, "iam")
    more = {"PermissionsBoundary": boundary} if boundary else {}
    arn = iam.create_user(UserName=name, Tags=tags({"team": "demo"}), **more)["User"]["Arn"]
    world.made(account, "users", name, arn)
    world.named(arn, name, account, "global", "aws.iam.user")
    if password:
        iam.create_login_profile(UserName=name, Password="Seeded-Passw0rd-0f-Length")
    if mfa:
        serial = iam.create_virtual_mfa_device(VirtualMFADeviceName=name)["VirtualMFADevice"]["SerialNumber"]
        world.made(account, "mfa_devices", name, serial)
        if mfa == "assigned":
            iam.enable_mfa_device(
                UserName=name, SerialNumber=serial, AuthenticationCode1="123456", AuthenticationCode2="654321"
            )
    for number, kind in enumerate(keys, 1):
        key = iam.create_access_key(UserName=name)["AccessKey"]
        world.made(account, "access_keys", f"{name}/{number}", key["AccessKeyId"])
        if kind == "used":
            # moto marks a key as used when a request is signed with it.
            boto3.client(
                "sts",
                region_name=US,
                endpoint_url=world.endpoint,
                aws_access_key_id=key["AccessKeyId"],
                aws_secret_access_key=key["SecretAccessKey"],
            ).get_caller_identity()
        elif kind == "inactive":
            iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    for group in groups:
        iam.add_user_to_group(GroupName=group, UserName=name)


def group(world, account, name, *policy_arns):
    iam = world.client(account, "iam")
    world.made(account, "groups", name, iam.create_group(GroupName=name)["Group"]["Arn"])
    for arn in policy_arns:
        iam.attach_group_policy(GroupName=name, PolicyArn=arn)


def policy(world, account, name, *versions):
    """Each version's document; the last one becomes the default."""
    iam = world.client(account, "iam")
    arn = iam.create_policy(PolicyName=name, PolicyDocument=versions[0])["Policy"]["Arn"]
    for later in versions[1:]:
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=later, SetAsDefault=True)
    world.named(arn, name, account, "global", "aws.iam.policy")
    return world.made(account, "policies", name, arn)


def role(world, account, name, assume, *policy_arns, profile=None):
    """profile: "with-role" for an instance profile that holds the role, "empty" for one that does not."""
    iam = world.client(account, "iam")
    world.made(account, "roles", name, iam.create_role(RoleName=name, AssumeRolePolicyDocument=assume)["Role"]["Arn"])
    for arn in policy_arns:
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    if profile:
        instance_profile(world, account, name, name if profile == "with-role" else None)


def instance_profile(world, account, name, role_name):
    iam = world.client(account, "iam")
    arn = iam.create_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Arn"]
    world.made(account, "instance_profiles", name, arn)
    if role_name:
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=role_name)


def server_certificate(world, account, name, days):
    """A self-signed certificate that expires `days` from now (negative: expired).

    moto answers Expiration 2012-05-08 for every certificate, whatever its body says.
    """
    from datetime import datetime, timedelta, timezone

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{name}.upright.example")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=800))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    arn = world.client(account, "iam").upload_server_certificate(
        ServerCertificateName=name,
        CertificateBody=certificate.public_bytes(serialization.Encoding.PEM).decode(),
        PrivateKey=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    )["ServerCertificateMetadata"]["Arn"]
    world.made(account, "server_certificates", name, arn)
    world.named(arn, name, account, "global", "aws.iam.server_certificate")


EC2_TRUST = trust({"Service": "ec2.amazonaws.com"})
STAR = document(allow("*"))
READ_LOGS = document(allow(["logs:Get*", "logs:Describe*"]))


def iam_management(world):
    me = "management"
    iam = world.client(me, "iam")
    iam.update_account_password_policy(MinimumPasswordLength=14, PasswordReusePrevention=12)
    user(world, me, "break-glass", password=True, mfa="assigned")
    # "root" in its name, with a virtual device: it is not the root user's.
    user(world, me, "root-ops", password=True, mfa="assigned")
    user(world, me, "ci-billing", keys=["used"])
    read_only = policy(world, me, "OrgReadOnly", document(allow(["organizations:Describe*", "organizations:List*"])))
    role(world, me, "org-reader", trust({"AWS": world.id(me)}), read_only)
    role(world, me, "support", trust({"AWS": world.id(me)}), AWS_POLICY + "AWSSupportAccess")
    role(world, me, "shell", trust({"AWS": world.id(me)}), AWS_POLICY + "AWSCloudShellFullAccess")


def iam_prod(world):
    me = "prod"
    iam = world.client(me, "iam")
    iam.update_account_password_policy(
        MinimumPasswordLength=16,
        RequireSymbols=True,
        RequireNumbers=True,
        RequireUppercaseCharacters=True,
        RequireLowercaseCharacters=True,
        PasswordReusePrevention=24,
    )
    saml = iam.create_saml_provider(Name="corp-idp", SAMLMetadataDocument="<EntityDescriptor>" + "x" * 1100 + "</EntityDescriptor>")
    world.made(me, "saml_providers", "corp-idp", saml["SAMLProviderArn"])
    deploy = policy(world, me, "DeployPolicy", document(allow(["s3:PutObject", "ec2:Describe*"])))
    group(world, me, "deployers", deploy)
    user(world, me, "ci-deploy", keys=["used"], groups=["deployers"])
    user(world, me, "ci-legacy", keys=["unused", "unused"])
    iam.put_user_policy(UserName="ci-legacy", PolicyName="inline-read", PolicyDocument=READ_LOGS)
    user(world, me, "svc-backup", keys=["used", "inactive"])
    iam.attach_user_policy(UserName="svc-backup", PolicyArn=AWS_POLICY + "ReadOnlyAccess")
    app = policy(world, me, "AppReadOnly", document(allow("s3:GetObject", f"arn:aws:s3:::{BUCKET_PREFIX}prod-data/*")))
    former = policy(world, me, "FormerAdmin", STAR, READ_LOGS)
    policy(world, me, "EmergencyAdmin", STAR)
    role(world, me, "app", EC2_TRUST, app, AWS_POLICY + "AmazonSSMManagedInstanceCore", profile="with-role")
    role(world, me, "auditor", trust({"AWS": world.id("management")}), former)
    role(world, me, "support", trust({"AWS": world.id(me)}), AWS_POLICY + "AWSSupportAccess")
    server_certificate(world, me, "shop-valid", 1500)


def iam_dev(world):
    me = "dev"
    iam = world.client(me, "iam")
    iam.update_account_password_policy(MinimumPasswordLength=8)
    listed = policy(
        world, me, "DevAdminList", document(allow(["s3:Get*", "*:*"], ["arn:aws:s3:::some-bucket", "*"]))
    )
    group(world, me, "developers", listed, AWS_POLICY + "AWSCloudShellFullAccess")
    group(world, me, "empty-group")
    boundary = policy(world, me, "DevBoundary", STAR)
    user(world, me, "alice", password=True, mfa="assigned", groups=["developers"])
    user(world, me, "bob", password=True, keys=["unused"])
    iam.attach_user_policy(UserName="bob", PolicyArn=AWS_POLICY + "AdministratorAccess")
    user(world, me, "carol", password=True, mfa="assigned", keys=["used"], groups=["developers"])
    user(world, me, "dave", password=True, mfa="unassigned", keys=["inactive"], groups=["developers"])
    iam.attach_user_policy(UserName="dave", PolicyArn=AWS_POLICY + "AWSSupportAccess")
    user(world, me, "erin", boundary=boundary)
    admin = policy(world, me, "DevAdmin", STAR)
    nearly = policy(
        world,
        me,
        "DevNotAction",
        document({"Effect": "Allow", "NotAction": ["aws-portal:ViewBilling"], "Resource": "*"}),
    )
    denies = policy(world, me, "DevDenyAll", document(deny("*")))
    bucket_only = policy(
        world, me, "DevStarOneBucket", document(allow("*", f"arn:aws:s3:::{BUCKET_PREFIX}dev-tls-list/*"))
    )
    policy(world, me, "DevAdminUnattached", STAR)
    anyone = trust({"AWS": "*"}, Condition={"StringEquals": {"sts:ExternalId": "demo"}})
    role(world, me, "dev-admin", anyone, admin)
    role(world, me, "dev-nearly-admin", trust({"AWS": world.id(me)}), nearly)
    role(world, me, "dev-app", EC2_TRUST, denies, bucket_only, profile="with-role")
    oidc = iam.create_open_id_connect_provider(
        Url="https://token.actions.githubusercontent.com",
        ClientIDList=["sts.amazonaws.com"],
        ThumbprintList=["0" * 40],
    )["OpenIDConnectProviderArn"]
    world.made(me, "oidc_providers", "github", oidc)
    role(world, me, "github", trust({"Federated": oidc}, "sts:AssumeRoleWithWebIdentity"))
    instance_profile(world, me, "dev-empty-profile", None)
    server_certificate(world, me, "intranet-expired", -30)


def iam_sandbox(world):
    me = "sandbox"
    user(world, me, "frank", keys=["unused", "used"])
    # A statement that is an object instead of a list of one.
    admin = policy(world, me, "SandboxAdmin", json.dumps({"Version": "2012-10-17", "Statement": allow("*", "*")}))
    role(world, me, "lab-admin", trust({"AWS": world.id(me)}), admin)


# --- S3


def bucket(world, account, short, region=US):
    name = BUCKET_PREFIX + short
    s3 = world.client(account, "s3", region)
    more = {} if region == US else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=name, **more)
    arn = f"arn:aws:s3:::{name}"
    world.made(account, "buckets", name, arn)
    world.named(arn, name, account, region, "aws.s3.bucket")
    return s3, name


def both(name):
    return [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]


def insecure(value="false"):
    return {"Bool": {"aws:SecureTransport": value}}


def tls_only(name):
    return deny("s3:*", both(name), Principal="*", Condition=insecure())


def public_read(name):
    return allow("s3:GetObject", f"arn:aws:s3:::{name}/*", Principal="*")


def trail_delivery(name):
    service = {"Service": "cloudtrail.amazonaws.com"}
    return [
        allow("s3:GetBucketAcl", f"arn:aws:s3:::{name}", Principal=service),
        allow("s3:PutObject", f"arn:aws:s3:::{name}/AWSLogs/*", Principal=service),
    ]


def harden(s3, name, key=None):
    """Versioning, encryption and the bucket's own public access block."""
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    encrypt(s3, name, key)
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=ALL_BLOCKED)


def encrypt(s3, name, key=None):
    how = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key} if key else {"SSEAlgorithm": "AES256"}
    s3.put_bucket_encryption(
        Bucket=name,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": how}]},
    )


def log_to(s3, name, target):
    s3.put_bucket_logging(
        Bucket=name, BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": name + "/"}}
    )


def s3_management(world):
    me = "management"
    s3, logs = bucket(world, me, "org-access-logs")
    s3.put_bucket_acl(Bucket=logs, ACL="log-delivery-write")
    encrypt(s3, logs)
    s3, trail = bucket(world, me, "org-trail")
    s3.put_bucket_policy(Bucket=trail, Policy=document(*trail_delivery(trail), tls_only(trail)))
    harden(s3, trail, world.got(me, "keys", "trail"))
    log_to(s3, trail, logs)
    s3.put_bucket_tagging(Bucket=trail, Tagging={"TagSet": tags({"data": "audit"})})


def s3_prod(world):
    me = "prod"
    s3, logs = bucket(world, me, "prod-access-logs")
    s3.put_bucket_acl(Bucket=logs, ACL="log-delivery-write")
    # moto answers 500 to PutBucketLogging when the target's policy has a scalar Principal.
    statement = deny("s3:*", both(logs), Principal={"AWS": "*"}, Condition=insecure())
    s3.put_bucket_policy(Bucket=logs, Policy=document(statement))
    encrypt(s3, logs)

    s3, data = bucket(world, me, "prod-data")
    s3.put_bucket_policy(Bucket=data, Policy=document(tls_only(data)))
    harden(s3, data, world.got(me, "keys", "data"))
    log_to(s3, data, logs)
    s3.put_bucket_tagging(Bucket=data, Tagging={"TagSet": tags({"data": "customer", "env": "prod"})})

    # Public by its policy, closed by the account's RestrictPublicBuckets.
    s3, web = bucket(world, me, "prod-web")
    s3.put_bucket_policy(Bucket=web, Policy=document(public_read(web)))
    encrypt(s3, web)

    # TLS 1.2 or newer, which excludes requests without TLS as well.
    s3, eu = bucket(world, me, "prod-eu", EU)
    too_old = {"NumericLessThan": {"s3:TlsVersion": "1.2"}}
    s3.put_bucket_policy(Bucket=eu, Policy=document(deny("s3:*", both(eu), Principal="*", Condition=too_old)))
    harden(s3, eu)

    # Public by its ACL, closed by the account's IgnorePublicAcls; takes prod-trail's files, is not logged.
    s3, trail = bucket(world, me, "prod-trail")
    s3.put_bucket_acl(Bucket=trail, ACL="public-read")
    s3.put_bucket_policy(Bucket=trail, Policy=document(*trail_delivery(trail)))
    encrypt(s3, trail)

    world.client(me, "s3control").put_public_access_block(
        AccountId=world.id(me), PublicAccessBlockConfiguration=ALL_BLOCKED
    )


def s3_dev(world):
    me = "dev"
    s3, name = bucket(world, me, "dev-public-policy")
    s3.put_bucket_policy(Bucket=name, Policy=document(public_read(name)))
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags(HOSTILE_TAGS)})

    s3, name = bucket(world, me, "dev-public-acl")
    s3.put_bucket_acl(Bucket=name, ACL="public-read-write")

    s3, name = bucket(world, me, "dev-auth-acl", EU)
    s3.put_bucket_acl(Bucket=name, ACL="authenticated-read")
    encrypt(s3, name)

    # A public grant that ownership makes void.
    s3, name = bucket(world, me, "dev-acl-void")
    s3.put_bucket_acl(Bucket=name, ACL="public-read")
    s3.put_bucket_ownership_controls(
        Bucket=name, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )

    # Public by ACL and policy, closed by two of the four flags.
    s3, name = bucket(world, me, "dev-two-flags")
    s3.put_bucket_acl(Bucket=name, ACL="public-read")
    s3.put_bucket_policy(Bucket=name, Policy=document(public_read(name)))
    s3.put_public_access_block(
        Bucket=name,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": False,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": False,
            "RestrictPublicBuckets": True,
        },
    )

    # The two flags that stop only new grants, over a public policy.
    s3, name = bucket(world, me, "dev-late-flags")
    s3.put_bucket_policy(Bucket=name, Policy=document(public_read(name)))
    s3.put_public_access_block(
        Bucket=name,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": False,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": False,
        },
    )

    # Lists everywhere, and the boolean false.
    s3, name = bucket(world, me, "dev-tls-list")
    statement = deny(["s3:*"], both(name), Principal={"AWS": ["*"]}, Condition=insecure([False]))
    s3.put_bucket_policy(Bucket=name, Policy=document(statement))
    harden(s3, name)

    # Each of these denies too little: two actions, an extra condition, one principal, one prefix; and an
    # Allow bounded by TLS denies nothing.
    s3, name = bucket(world, me, "dev-tls-narrow")
    extra = {**insecure(), "StringEquals": {"aws:PrincipalTag/team": "web"}}
    owner = {"AWS": f"arn:aws:iam::{world.id(me)}:root"}
    s3.put_bucket_policy(
        Bucket=name,
        Policy=document(
            deny(["s3:PutObject", "s3:Get*"], both(name), Principal="*", Condition=insecure()),
            deny("s3:*", both(name), Principal="*", Condition=extra),
            deny("s3:*", both(name), Principal=owner, Condition=insecure()),
            deny("s3:*", f"arn:aws:s3:::{name}/private/*", Principal="*", Condition=insecure()),
            allow("s3:*", both(name), Principal=owner, Condition=insecure("true")),
        ),
    )

    # Conditions that bound nobody: every address, and a bare star.
    s3, name = bucket(world, me, "dev-wide-condition")
    everyone = {"IpAddress": {"aws:SourceIp": [ANY4, ANY6]}, "StringLike": {"aws:PrincipalArn": "*"}}
    s3.put_bucket_policy(
        Bucket=name,
        Policy=document(allow("s3:GetObject", f"arn:aws:s3:::{name}/*", Principal={"AWS": "*"}, Condition=everyone)),
    )

    # Everyone, but only of the organization.
    s3, name = bucket(world, me, "dev-org-only")
    s3.put_bucket_policy(
        Bucket=name,
        Policy=document(
            allow(
                "s3:GetObject",
                f"arn:aws:s3:::{name}/*",
                Principal="*",
                Condition={"StringEquals": {"AWS:principalorgid": world.organization_id}},
            )
        ),
    )

    # dev-trail's files, readable by everyone.
    s3, name = bucket(world, me, "dev-trail", EU)
    s3.put_bucket_policy(Bucket=name, Policy=document(*trail_delivery(name), public_read(name)))


def s3_sandbox(world):
    me = "sandbox"
    bucket(world, me, "sandbox-scratch")
    # Two statements that cover bucket and objects together; scalars, other cases, wildcards, IfExists.
    s3, name = bucket(world, me, "sandbox-tls-split", EU)
    s3.put_bucket_policy(
        Bucket=name,
        Policy=document(
            deny("*", f"arn:aws:s3:::{name}", Principal={"AWS": "*"}, Condition=insecure()),
            deny(
                "S3:*",
                "arn:aws:s3:::*/*",
                Principal="*",
                Condition={"BoolIfExists": {"AWS:securetransport": "false"}},
            ),
        ),
    )


# --- Networks


def vpc(world, account, region, name, cidr):
    """A VPC with one subnet `NAME`."""
    ec2 = world.client(account, "ec2", region)
    vpc_id = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc_id, CidrBlock=cidr.replace(".0.0/16", ".1.0/24"))["Subnet"]["SubnetId"]
    ec2.create_tags(Resources=[vpc_id, subnet], Tags=tags({"Name": name}))
    world.made(account, "subnets", name, subnet)
    return ec2, world.made(account, "vpcs", name, vpc_id)


def internet_gateway(world, account, ec2, vpc_id, name):
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc_id)
    return world.made(account, "internet_gateways", name, gateway)


def route_table(world, account, ec2, vpc_id, name, subnet=None, **routes):
    """routes: gateway=[CIDR…], peering=[CIDR…] with their targets in `to_gateway` and `to_peering`."""
    table = ec2.create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"]
    ec2.create_tags(Resources=[table], Tags=tags({"Name": name}))
    if subnet:
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    for cidr in routes.get("gateway", []):
        ec2.create_route(RouteTableId=table, DestinationCidrBlock=cidr, GatewayId=routes["to_gateway"])
    for cidr in routes.get("peering", []):
        ec2.create_route(RouteTableId=table, DestinationCidrBlock=cidr, VpcPeeringConnectionId=routes["to_peering"])
    return world.made(account, "route_tables", name, table)


def gateway_endpoint(world, account, ec2, vpc_id, region, service, table, name):
    endpoint = ec2.create_vpc_endpoint(
        VpcId=vpc_id,
        ServiceName=f"com.amazonaws.{region}.{service}",
        VpcEndpointType="Gateway",
        RouteTableIds=[table],
    )["VpcEndpoint"]["VpcEndpointId"]
    world.made(account, "vpc_endpoints", name, endpoint)


def rule(protocol="tcp", ports=None, *sources, group=None, prefix_list=None):
    """One ingress or egress permission. ports: (from, to); None for protocol -1."""
    permission = {"IpProtocol": protocol}
    if ports is not None:
        permission["FromPort"], permission["ToPort"] = ports
    v4 = [{"CidrIp": source} for source in sources if ":" not in source]
    v6 = [{"CidrIpv6": source} for source in sources if ":" in source]
    if v4:
        permission["IpRanges"] = v4
    if v6:
        permission["Ipv6Ranges"] = v6
    if group:
        permission["UserIdGroupPairs"] = [{"GroupId": group}]
    if prefix_list:
        permission["PrefixListIds"] = [{"PrefixListId": prefix_list}]
    return permission


def security_group(world, account, ec2, vpc_id, name, *ingress):
    made = ec2.create_security_group(GroupName=name, Description=f"demo: {name}", VpcId=vpc_id)["GroupId"]
    if ingress:
        ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=list(ingress))
    return world.made(account, "security_groups", name, made)


def default_group(ec2, vpc_id):
    found = ec2.describe_security_groups(
        Filters=[{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": "group-name", "Values": ["default"]}]
    )["SecurityGroups"]
    assert len(found) == 1, f"{vpc_id} has {len(found)} default groups"
    return found[0]


def close_default_group(ec2, vpc_id):
    group = default_group(ec2, vpc_id)
    if group["IpPermissions"]:
        ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])
    ec2.revoke_security_group_egress(GroupId=group["GroupId"], IpPermissions=group["IpPermissionsEgress"])


def network_acl(world, account, ec2, vpc_id, name, *entries):
    """entries: (number, action, protocol, ports, source[, egress]); protocol 6 tcp, 17 udp, -1 all."""
    made = ec2.create_network_acl(VpcId=vpc_id)["NetworkAcl"]["NetworkAclId"]
    ec2.create_tags(Resources=[made], Tags=tags({"Name": name}))
    for number, action, protocol, ports, source, *egress in entries:
        more = {"PortRange": {"From": ports[0], "To": ports[1]}} if ports else {}
        ec2.create_network_acl_entry(
            NetworkAclId=made,
            RuleNumber=number,
            RuleAction=action,
            Protocol=protocol,
            CidrBlock=source,
            Egress=bool(egress),
            **more,
        )
    world.made(account, "network_acls", name, made)


def flow_log(world, account, ec2, name, resource, kind, traffic, to_bucket=None, to_group=None):
    if to_bucket:
        destination = {"LogDestinationType": "s3", "LogDestination": f"arn:aws:s3:::{BUCKET_PREFIX}{to_bucket}"}
    else:
        destination = {
            "LogDestinationType": "cloud-watch-logs",
            "LogGroupName": to_group,
            "DeliverLogsPermissionArn": f"arn:aws:iam::{world.id(account)}:role/flow-logs",
        }
    answer = ec2.create_flow_logs(ResourceIds=[resource], ResourceType=kind, TrafficType=traffic, **destination)
    assert not answer.get("Unsuccessful"), answer["Unsuccessful"]
    world.made(account, "flow_logs", name, answer["FlowLogIds"][0])


def prefix_list(world, account, ec2, name, *cidrs):
    made = ec2.create_managed_prefix_list(
        PrefixListName=name, MaxEntries=5, AddressFamily="IPv4", Entries=[{"Cidr": cidr} for cidr in cidrs]
    )["PrefixList"]["PrefixListId"]
    return world.made(account, "prefix_lists", name, made)


def instance(world, account, ec2, name, subnet, groups=(), profile=None, metadata=None, extra_tags=None):
    more = {}
    if profile:
        more["IamInstanceProfile"] = {"Name": profile}
    if metadata:
        more["MetadataOptions"] = metadata
    if groups:
        more["SecurityGroupIds"] = list(groups)
    made = ec2.run_instances(
        ImageId=IMAGE,
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        SubnetId=subnet,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags({"Name": name, **(extra_tags or {})})}],
        **more,
    )["Instances"][0]["InstanceId"]
    return world.made(account, "instances", name, made)


REQUIRED = {"HttpTokens": "required", "HttpEndpoint": "enabled"}
OPTIONAL = {"HttpTokens": "optional", "HttpEndpoint": "enabled"}
DISABLED = {"HttpTokens": "optional", "HttpEndpoint": "disabled"}


def network_prod(world):
    me = "prod"
    ec2, core = vpc(world, me, US, "core", "10.10.0.0/16")
    _, data = vpc(world, me, US, "data", "10.20.0.0/16")
    core_subnet, data_subnet = world.got(me, "subnets", "core"), world.got(me, "subnets", "data")
    peering = ec2.create_vpc_peering_connection(VpcId=core, PeerVpcId=data)["VpcPeeringConnection"]
    peering = world.made(me, "peerings", "core-data", peering["VpcPeeringConnectionId"])
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)

    internet = internet_gateway(world, me, ec2, core, "core")
    public = route_table(
        world, me, ec2, core, "core-public", core_subnet,
        gateway=[ANY4], to_gateway=internet, peering=["10.20.0.0/16"], to_peering=peering,
    )
    gateway_endpoint(world, me, ec2, core, US, "s3", public, "core-s3")
    internet = internet_gateway(world, me, ec2, data, "data")
    route_table(world, me, ec2, data, "data-public", data_subnet, gateway=[ANY4], to_gateway=internet)
    route_table(world, me, ec2, data, "data-narrow", peering=["10.10.1.0/24"], to_peering=peering)
    route_table(world, me, ec2, data, "data-any", peering=[ANY4], to_peering=peering)

    close_default_group(ec2, core)
    # No egress left, but the group admits itself.
    close_default_group(ec2, data)
    own = default_group(ec2, data)["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=[rule("-1", group=own)])

    corporate = prefix_list(world, me, ec2, "corporate", "203.0.113.0/24", "198.51.100.0/24")
    web = security_group(world, me, ec2, core, "web", rule("tcp", (443, 443), ANY4, ANY6), rule("tcp", (80, 80), ANY4))
    app = security_group(world, me, ec2, core, "app", rule("tcp", (22, 8080), group=web))
    security_group(
        world, me, ec2, core, "bastion",
        rule("tcp", (22, 22), "203.0.113.0/24", "2001:db8::/32"), rule("tcp", (3389, 3389), prefix_list=corporate),
    )
    security_group(world, me, ec2, core, "ping", rule("icmp", (-1, -1), ANY4), rule("icmpv6", (-1, -1), ANY6))
    database = security_group(world, me, ec2, data, "database", rule("tcp", (5432, 5432), "10.10.0.0/16"))
    security_group(world, me, ec2, data, "no-rules")

    network_acl(
        world, me, ec2, core, "core-edge",
        (90, "deny", "6", (22, 22), ANY4), (91, "deny", "6", (3389, 3389), ANY4), (100, "allow", "6", (0, 65535), ANY4),
    )
    network_acl(world, me, ec2, core, "core-closed")
    network_acl(world, me, ec2, core, "core-vpn", (100, "allow", "6", (22, 22), "10.0.0.0/8"))
    network_acl(world, me, ec2, data, "data-https", (100, "allow", "6", (443, 443), ANY4))

    flow_log(world, me, ec2, "core", core, "VPC", "ALL", to_bucket="prod-access-logs")
    flow_log(world, me, ec2, "data-accept", data, "VPC", "ACCEPT", to_bucket="prod-access-logs")

    instance(world, me, ec2, "prod-web", core_subnet, [web], "app", REQUIRED, {"env": "prod"})
    instance(world, me, ec2, "prod-batch", core_subnet, [app], None, DISABLED)
    instance(world, me, ec2, "prod-database", data_subnet, [database], "app", REQUIRED)
    ec2.enable_ebs_encryption_by_default()

    ec2, main = vpc(world, me, EU, "eu-core", "10.30.0.0/16")
    subnet = world.got(me, "subnets", "eu-core")
    internet = internet_gateway(world, me, ec2, main, "eu-core")
    public = route_table(world, me, ec2, main, "eu-public", subnet, gateway=[ANY4], to_gateway=internet)
    gateway_endpoint(world, me, ec2, main, EU, "dynamodb", public, "eu-dynamodb")
    # Egress to IPv6 only.
    close_default_group(ec2, main)
    ec2.authorize_security_group_egress(
        GroupId=default_group(ec2, main)["GroupId"], IpPermissions=[rule("tcp", (443, 443), ANY6)]
    )
    legacy = security_group(world, me, ec2, main, "legacy-rdp", rule("tcp", (3389, 3389), ANY4))
    # A log of the subnet does not cover the VPC.
    flow_log(world, me, ec2, "eu-subnet", subnet, "Subnet", "ALL", to_bucket="prod-access-logs")
    instance(world, me, ec2, "eu-legacy", subnet, [legacy], "app", OPTIONAL)


def network_dev(world):
    me = "dev"
    ec2, main = vpc(world, me, US, "dev-main", "10.40.0.0/16")
    subnet = world.got(me, "subnets", "dev-main")
    internet = internet_gateway(world, me, ec2, main, "dev-main")
    route_table(world, me, ec2, main, "dev-public", subnet, gateway=[ANY4], to_gateway=internet)
    # The endpoint is there, but not for the table that leads to the internet.
    private = route_table(world, me, ec2, main, "dev-private")
    gateway_endpoint(world, me, ec2, main, US, "s3", private, "dev-s3")

    everywhere = prefix_list(world, me, ec2, "everywhere", "10.0.0.0/8", ANY4)

    def group(name, *ingress):
        return security_group(world, me, ec2, main, name, *ingress)

    ssh = group("ssh-open", rule("tcp", (22, 22), ANY4))
    group("rdp-open-v6", rule("tcp", (3389, 3389), ANY6))
    group("all-open", rule("-1", None, ANY4, ANY6))
    group("range-20-25", rule("tcp", (20, 25), ANY4))
    group("all-ports-v6", rule("tcp", (0, 65535), ANY6))
    group("udp-3389", rule("udp", (3389, 3389), ANY4))
    group("udp-dns", rule("udp", (53, 53), ANY4, ANY6))
    group("cifs-open", rule("tcp", (445, 445), ANY4))
    group("cifs-range-v6", rule("tcp", (400, 500), ANY6))
    # Two rules of different width that meet on 22 to 445.
    group("halves-v4", rule("tcp", (22, 445), "0.0.0.0/1"), rule("tcp", (20, 500), "128.0.0.0/1"))
    group("halves-v6", rule("tcp", (3389, 3389), ANY6.replace("/0", "/1"), "8000::/1"))
    group("half-only", rule("tcp", (22, 22), "0.0.0.0/1"))
    group("list-any", rule("tcp", (22, 22), prefix_list=everywhere))
    # Type 3, code 22: not the ports 3 to 22.
    group("icmp-22", rule("icmp", (3, 22), ANY4))
    members = group("self-only")
    ec2.authorize_security_group_ingress(GroupId=members, IpPermissions=[rule("-1", group=members)])
    around = group("around-ports", rule("tcp", (23, 444), ANY4), rule("tcp", (446, 3388), ANY4, ANY6))
    ec2.authorize_security_group_egress(GroupId=around, IpPermissions=[rule("tcp", (22, 22), ANY4)])

    def acl(name, *entries):
        network_acl(world, me, ec2, main, name, *entries)

    acl("ssh-open", (100, "allow", "6", (22, 22), ANY4))
    acl("allow-then-deny", (80, "allow", "6", (22, 22), ANY4), (90, "deny", "6", (22, 22), ANY4))
    # Written in the other order, to be sorted by number.
    acl("deny-then-allow", (100, "allow", "6", (22, 22), ANY4), (90, "deny", "-1", None, ANY4))
    acl("rdp-range", (100, "allow", "6", (3000, 4000), ANY4))
    acl("udp-22", (100, "allow", "17", (22, 22), ANY4))
    acl("halves", (100, "allow", "6", (22, 22), "0.0.0.0/1"), (110, "allow", "6", (22, 22), "128.0.0.0/1"))
    acl("deny-few", (90, "deny", "6", (22, 22), "203.0.113.0/24"), (100, "allow", "6", (22, 22), ANY4))
    acl("egress-only", (100, "allow", "-1", None, ANY4, "egress"))

    flow_log(world, me, ec2, "dev-main", main, "VPC", "REJECT", to_bucket="dev-public-policy")

    instance(world, me, ec2, "dev-web", subnet, [ssh], None, OPTIONAL, HOSTILE_TAGS)
    stopped = instance(world, me, ec2, "dev-stopped", subnet, [], "dev-app", OPTIONAL)
    ec2.stop_instances(InstanceIds=[stopped])
    instance(world, me, ec2, "dev-empty-profile", subnet, [], "dev-empty-profile", REQUIRED)
    # Its profile is deleted later, which leaves the instance pointing at nothing.
    iam = world.client(me, "iam")
    iam.create_instance_profile(InstanceProfileName="dev-dangling")
    instance(world, me, ec2, "dev-dangling", subnet, [], "dev-dangling", REQUIRED)
    iam.delete_instance_profile(InstanceProfileName="dev-dangling")
    gone = instance(world, me, ec2, "dev-terminated", subnet, [ssh], None, OPTIONAL)
    ec2.terminate_instances(InstanceIds=[gone])

    world.client(me, "ec2", EU).enable_ebs_encryption_by_default()


def network_sandbox(world):
    me = "sandbox"
    ec2, lab = vpc(world, me, EU, "lab", "10.50.0.0/16")
    security_group(world, me, ec2, lab, "ssh-odd-v6", rule("tcp", (22, 22), "0::/0"))
    # The log group does not exist: delivery fails.
    flow_log(world, me, ec2, "lab-failing", lab, "VPC", "ALL", to_group="no-such-group")


# --- CloudTrail and its keys


def key(world, account, region, name):
    kms = world.client(account, "kms", region)
    return world.made(account, "keys", name, kms.create_key(Description=f"demo: {name}")["KeyMetadata"]["Arn"])


def trail(world, account, region, name, bucket_name, **more):
    client = world.client(account, "cloudtrail", region)
    arn = client.create_trail(Name=name, S3BucketName=BUCKET_PREFIX + bucket_name, **more)["TrailARN"]
    world.made(account, "trails", name, arn)
    world.named(arn, name, account, region, "aws.cloudtrail.trail")
    return client


def keys(world):
    key(world, "management", US, "trail")
    key(world, "prod", US, "data")
    key(world, "prod", US, "trail")
    retired = key(world, "prod", EU, "retired")
    # moto answers 500 to the ARN here, and takes the bare id.
    world.client("prod", "kms", EU).schedule_key_deletion(KeyId=retired.split("/")[-1], PendingWindowInDays=30)


def trails(world):
    group = f"arn:aws:logs:{US}:{world.id('management')}:log-group:org-trail:*"
    world.client("management", "logs").create_log_group(logGroupName="org-trail")
    client = trail(
        world, "management", US, "org-trail", "org-trail",
        IsMultiRegionTrail=True,
        IsOrganizationTrail=True,
        EnableLogFileValidation=True,
        KmsKeyId=world.got("management", "keys", "trail"),
        CloudWatchLogsLogGroupArn=group,
        CloudWatchLogsRoleArn=f"arn:aws:iam::{world.id('management')}:role/trail-to-logs",
    )
    client.put_event_selectors(
        TrailName="org-trail",
        EventSelectors=[
            {
                "ReadWriteType": "All",
                "IncludeManagementEvents": True,
                "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}],
            }
        ],
    )
    client.start_logging(Name="org-trail")

    # Management events in two halves that are complete together; S3 data events of writes only.
    client = trail(
        world, "prod", US, "prod-trail", "prod-trail",
        IsMultiRegionTrail=True,
        EnableLogFileValidation=True,
        KmsKeyId=world.got("prod", "keys", "trail"),
    )

    def selector(name, category, **fields):
        where = [{"Field": "eventCategory", "Equals": [category]}]
        where += [{"Field": field.replace("_", "."), "Equals": [value]} for field, value in fields.items()]
        return {"Name": name, "FieldSelectors": where}

    client.put_event_selectors(
        TrailName="prod-trail",
        AdvancedEventSelectors=[
            selector("reads", "Management", readOnly="true"),
            selector("writes", "Management", readOnly="false"),
            selector("objects written", "Data", resources_type="AWS::S3::Object", readOnly="false"),
        ],
    )
    client.start_logging(Name="prod-trail")

    # One region; its key is pending deletion; delivers to the management account's bucket. moto accepts
    # only an own bucket at creation, and any at update.
    client = trail(
        world, "prod", EU, "prod-eu-trail", "prod-eu",
        IsMultiRegionTrail=False,
        EnableLogFileValidation=True,
        KmsKeyId=world.got("prod", "keys", "retired"),
    )
    client.update_trail(Name="prod-eu-trail", S3BucketName=BUCKET_PREFIX + "org-trail")
    client.start_logging(Name="prod-eu-trail")

    # One region, never started, no validation, no key, no selectors.
    trail(world, "dev", EU, "dev-trail", "dev-trail", IsMultiRegionTrail=False, EnableLogFileValidation=False)


# --- What everything is called


def name_the_rest(world):
    """Names accounts, regions and whatever EC2 lists, made here or there by default."""
    for account in SCANNED:
        world.named(world.id(account), account, account, "global", "aws.iam.account")
        for region in REGIONS:
            world.named(f"{world.id(account)}/{region}", region, account, region, "aws.ec2.region_settings")
            name_network(world, account, region)


def name_network(world, account, region):
    ec2 = world.client(account, "ec2", region)

    def tag(resource):
        return next((t["Value"] for t in resource.get("Tags", []) if t["Key"] == "Name"), None)

    vpcs = {}
    for found in ec2.describe_vpcs()["Vpcs"]:
        name = tag(found) or ("default-vpc" if found["IsDefault"] else None)
        assert name, f"{found['VpcId']} has no name"
        vpcs[found["VpcId"]] = name
        world.named(found["VpcId"], name, account, region, "aws.ec2.vpc")
    for found in ec2.describe_security_groups()["SecurityGroups"]:
        name = f"{found['GroupName']}@{vpcs[found['VpcId']]}"
        world.named(found["GroupId"], name, account, region, "aws.ec2.security_group")
    for found in ec2.describe_network_acls()["NetworkAcls"]:
        name = f"{tag(found) or 'default'}@{vpcs[found['VpcId']]}"
        world.named(found["NetworkAclId"], name, account, region, "aws.ec2.network_acl")
    for found in ec2.describe_route_tables()["RouteTables"]:
        name = f"{tag(found) or 'default'}@{vpcs[found['VpcId']]}"
        world.named(found["RouteTableId"], name, account, region, "aws.ec2.route_table")
    for reservation in ec2.describe_instances()["Reservations"]:
        for found in reservation["Instances"]:
            world.named(found["InstanceId"], tag(found), account, region, "aws.ec2.instance")


def seed(endpoint):
    world = World(endpoint)
    org = organization(world)
    world.organization_id = org["id"]
    keys(world)
    for step in (
        iam_management, iam_prod, iam_dev, iam_sandbox,
        s3_management, s3_prod, s3_dev, s3_sandbox,
        network_prod, network_dev, network_sandbox,
        frontend_prod, frontend_dev,
        trails, governance, data, monitoring, name_the_rest,
    ):
        step(world)
    return {
        "endpoint": endpoint,
        "regions": REGIONS,
        "organization": org,
        "roles": {"admin": ADMIN_ROLE, "scanner": SCANNER_ROLE},
        "accounts": world.accounts,
        "resources": world.resources,
        "names": world.names,
    }


def main():
    parser = argparse.ArgumentParser(description="Seeds a fresh moto server with Upright's demo organization.")
    parser.add_argument("--endpoint", required=True, metavar="URL", help="address of the moto server")
    endpoint = parser.parse_args().endpoint.rstrip("/")
    if urlsplit(endpoint).hostname not in ("127.0.0.1", "localhost", "::1"):
        parser.error(f"{endpoint} is not on this machine: this seeder is for an emulator only")
    json.dump(seed(endpoint), sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
