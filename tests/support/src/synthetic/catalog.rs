//! What the accounts of a synthetic report hold: kinds of resources, and the controls that judge them.
//!
//! In names, ARNs and values `{account}`, `{region}`, `{name}`, `{code}` (17 digits) and `{short}` (6 of
//! them) stand for the resource's own.

/// A kind of resource.
pub(super) struct Kind {
    pub(super) id: &'static str,
    /// Whether its resources have no region.
    pub(super) is_global: bool,
    /// Whether an account can have many of them.
    pub(super) is_many: bool,
    pub(super) name: &'static str,
    pub(super) arn: &'static str,
    pub(super) controls: &'static [Control],
}

/// A control on a kind of resource.
pub(super) struct Control {
    pub(super) id: &'static str,
    pub(super) severity: &'static str,
    pub(super) title: &'static str,
    pub(super) fail: &'static str,
    /// The call that is denied where the verdict is unknown.
    pub(super) operation: &'static str,
    /// Evidence of a failure: path and JSON value.
    pub(super) bad: &'static [(&'static str, &'static str)],
    /// Evidence of a pass.
    pub(super) good: &'static [(&'static str, &'static str)],
}

pub(super) static KINDS: &[Kind] = &[
    Kind {
        id: "aws.iam.account",
        is_global: true,
        is_many: false,
        name: "{account}",
        arn: "arn:aws:iam::{account}:root",
        controls: &[
            Control {
                id: "iam-root-mfa",
                severity: "critical",
                title: "The root user has MFA",
                fail: "The root user has no MFA device.",
                operation: "iam:GetAccountSummary",
                bad: &[("resource.summary.root_mfa_enabled", "false")],
                good: &[("resource.summary.root_mfa_enabled", "true")],
            },
            Control {
                id: "iam-root-no-access-keys",
                severity: "critical",
                title: "The root user has no access keys",
                fail: "The root user has an access key.",
                operation: "iam:GetAccountSummary",
                bad: &[("resource.summary.root_access_keys", "1")],
                good: &[("resource.summary.root_access_keys", "0")],
            },
            Control {
                id: "iam-password-min-length",
                severity: "medium",
                title: "Passwords have 14 characters or more",
                fail: "The password policy allows short passwords.",
                operation: "iam:GetAccountPasswordPolicy",
                bad: &[("resource.password_policy.minimum_length", "8"), ("params.min_length", "14")],
                good: &[("resource.password_policy.minimum_length", "14"), ("params.min_length", "14")],
            },
            Control {
                id: "iam-support-role",
                severity: "low",
                title: "A role may open support cases",
                fail: "No role may open support cases.",
                operation: "iam:ListEntitiesForPolicy",
                bad: &[("resource.support_access.roles", "[]")],
                good: &[("resource.support_access.roles", r#"["support"]"#)],
            },
        ],
    },
    Kind {
        id: "aws.cloudtrail.trail",
        is_global: false,
        is_many: false,
        name: "trail-{short}",
        arn: "arn:aws:cloudtrail:{region}:{account}:trail/{name}",
        controls: &[
            Control {
                id: "cloudtrail-log-validation",
                severity: "medium",
                title: "Trails validate their log files",
                fail: "Log file validation is off.",
                operation: "cloudtrail:DescribeTrails",
                bad: &[("resource.is_owned", "true"), ("resource.log_file_validation", "false")],
                good: &[("resource.is_owned", "true"), ("resource.log_file_validation", "true")],
            },
            Control {
                id: "cloudtrail-kms-encrypted",
                severity: "medium",
                title: "Trails encrypt their log files with a usable KMS key",
                fail: "The trail does not encrypt with a KMS key.",
                operation: "kms:DescribeKey",
                bad: &[("resource.kms_key", "null")],
                good: &[("resource.kms_key", r#""arn:aws:kms:{region}:{account}:key/{code}""#)],
            },
        ],
    },
    Kind {
        id: "aws.s3.bucket",
        is_global: false,
        is_many: true,
        name: "acme-{short}-data-{account}",
        arn: "arn:aws:s3:::{name}",
        controls: &[
            Control {
                id: "s3-bucket-not-public",
                severity: "critical",
                title: "S3 buckets are not public",
                fail: "The bucket's policy or ACL lets everybody in.",
                operation: "s3:GetBucketPolicy",
                bad: &[
                    ("resource.public_access_block", "null"),
                    (
                        "resource.policy",
                        r#"{"Statement":[{"Action":"s3:GetObject","Effect":"Allow","Principal":"*","Resource":"arn:aws:s3:::{name}/*"}],"Version":"2012-10-17"}"#,
                    ),
                ],
                good: &[("resource.policy", "null")],
            },
            Control {
                id: "s3-bucket-secure-transport",
                severity: "medium",
                title: "S3 buckets refuse requests without TLS",
                fail: "The bucket policy does not refuse every request that comes without TLS.",
                operation: "s3:GetBucketPolicy",
                bad: &[
                    ("resource.policy", "null"),
                    ("resource.arn", r#""arn:aws:s3:::{name}""#),
                    ("params.include_bucket", "false"),
                ],
                good: &[
                    (
                        "resource.policy",
                        r#"{"Statement":[{"Action":"s3:*","Condition":{"Bool":{"aws:SecureTransport":"false"}},"Effect":"Deny","Principal":"*","Resource":["arn:aws:s3:::{name}","arn:aws:s3:::{name}/*"]}],"Version":"2012-10-17"}"#,
                    ),
                    ("resource.arn", r#""arn:aws:s3:::{name}""#),
                    ("params.include_bucket", "false"),
                ],
            },
            Control {
                id: "s3-bucket-mfa-delete",
                severity: "low",
                title: "S3 buckets need MFA to delete",
                fail: "Versioning or MFA delete is not enabled.",
                operation: "s3:GetBucketVersioning",
                bad: &[("params.only_tag", r#""""#), ("resource.versioning.status", "null")],
                good: &[
                    ("params.only_tag", r#""""#),
                    ("resource.versioning.status", r#""Enabled""#),
                    ("resource.versioning.mfa_delete", r#""Enabled""#),
                ],
            },
            Control {
                id: "s3-bucket-default-encryption",
                severity: "medium",
                title: "S3 buckets encrypt by default",
                fail: "The bucket has no default encryption.",
                operation: "s3:GetEncryptionConfiguration",
                bad: &[("resource.encryption", "null")],
                good: &[("resource.encryption", r#"{"algorithm":"AES256"}"#)],
            },
            Control {
                id: "s3-bucket-public-access-block",
                severity: "high",
                title: "S3 buckets block public access",
                fail: "Public access is not blocked, neither on the bucket nor on the account.",
                operation: "s3:GetBucketPublicAccessBlock",
                bad: &[("resource.public_access_block", "null"), ("account.s3.public_access_block", "null")],
                good: &[(
                    "resource.public_access_block",
                    r#"{"block_public_acls":true,"block_public_policy":true,"ignore_public_acls":true,"restrict_public_buckets":true}"#,
                )],
            },
        ],
    },
    Kind {
        id: "aws.iam.user",
        is_global: true,
        is_many: true,
        name: "user.{short}",
        arn: "arn:aws:iam::{account}:user/{name}",
        controls: &[
            Control {
                id: "iam-user-mfa",
                severity: "high",
                title: "Users with a password have MFA",
                fail: "The user has a password and no MFA device.",
                operation: "iam:GenerateCredentialReport",
                bad: &[
                    ("resource.credentials.password_enabled", "true"),
                    ("resource.credentials.mfa_active", "false"),
                ],
                good: &[("resource.credentials.password_enabled", "false")],
            },
            Control {
                id: "iam-user-access-key-age",
                severity: "medium",
                title: "Access keys are replaced within 90 days",
                fail: "An access key is older than 90 days.",
                operation: "iam:ListAccessKeys",
                bad: &[
                    (
                        "resource.access_keys",
                        r#"[{"created":"2026-01-24T16:22:35Z","id":"AKIA{short}{short}","is_active":true}]"#,
                    ),
                    ("params.max_days", "90"),
                ],
                good: &[("resource.access_keys", "[]"), ("params.max_days", "90")],
            },
            Control {
                id: "iam-user-no-direct-policies",
                severity: "low",
                title: "Users get permissions from groups only",
                fail: "A policy is attached to the user.",
                operation: "iam:ListAttachedUserPolicies",
                bad: &[(
                    "resource.attached_policies",
                    r#"[{"arn":"arn:aws:iam::aws:policy/AdministratorAccess","name":"AdministratorAccess"}]"#,
                )],
                good: &[("resource.attached_policies", "[]"), ("resource.inline_policies", "[]")],
            },
            Control {
                id: "iam-user-unused-credentials",
                severity: "medium",
                title: "Credentials unused for 45 days are off",
                fail: "A password or key has not been used for 45 days.",
                operation: "iam:GenerateCredentialReport",
                bad: &[
                    ("resource.credentials.password_last_used", r#""2026-02-03T10:11:12Z""#),
                    ("params.days", "45"),
                ],
                good: &[("resource.credentials.password_enabled", "false"), ("params.days", "45")],
            },
        ],
    },
    Kind {
        id: "aws.ec2.security_group",
        is_global: false,
        is_many: true,
        name: "sg-{code}",
        arn: "arn:aws:ec2:{region}:{account}:security-group/sg-{code}",
        controls: &[
            Control {
                id: "ec2-sg-no-public-admin-ports-ipv4",
                severity: "high",
                title: "Security groups keep SSH and RDP from the internet (IPv4)",
                fail: "A rule opens SSH or RDP to every IPv4 address.",
                operation: "ec2:DescribeSecurityGroups",
                bad: &[
                    (
                        "resource.ingress",
                        r#"[{"from_port":22,"groups":[],"ipv4":["0.0.0.0/0"],"ipv6":[],"prefix_lists":[],"protocol":"tcp","to_port":22}]"#,
                    ),
                    (r#"open_ports(resource.ingress, null, "ipv4", params.ports)"#, "[22]"),
                ],
                good: &[
                    ("resource.ingress", "[]"),
                    (r#"open_ports(resource.ingress, null, "ipv4", params.ports)"#, "[]"),
                ],
            },
            Control {
                id: "ec2-sg-no-public-admin-ports-ipv6",
                severity: "high",
                title: "Security groups keep SSH and RDP from the internet (IPv6)",
                fail: "A rule opens SSH or RDP to every IPv6 address.",
                operation: "ec2:DescribeSecurityGroups",
                bad: &[(
                    "resource.ingress",
                    r#"[{"from_port":3389,"groups":[],"ipv4":[],"ipv6":["::/0"],"prefix_lists":[],"protocol":"tcp","to_port":3389}]"#,
                )],
                good: &[(
                    "resource.ingress",
                    r#"[{"from_port":443,"groups":["sg-{code}"],"ipv4":[],"ipv6":[],"prefix_lists":[],"protocol":"tcp","to_port":443}]"#,
                )],
            },
            Control {
                id: "ec2-sg-no-public-cifs",
                severity: "medium",
                title: "Security groups keep CIFS from the internet",
                fail: "A rule opens CIFS to every address.",
                operation: "ec2:DescribeSecurityGroups",
                bad: &[(
                    "resource.ingress",
                    r#"[{"from_port":445,"groups":[],"ipv4":["0.0.0.0/0"],"ipv6":[],"prefix_lists":[],"protocol":"tcp","to_port":445}]"#,
                )],
                good: &[("resource.ingress", "[]")],
            },
        ],
    },
    Kind {
        id: "aws.ec2.instance",
        is_global: false,
        is_many: true,
        name: "web-{short}",
        arn: "arn:aws:ec2:{region}:{account}:instance/i-{code}",
        controls: &[
            Control {
                id: "ec2-instance-imdsv2",
                severity: "medium",
                title: "Instances answer metadata requests with tokens only",
                fail: "The instance answers metadata requests without a token.",
                operation: "ec2:DescribeInstances",
                bad: &[
                    ("resource.state", r#""running""#),
                    ("resource.metadata.http_tokens", r#""optional""#),
                    ("resource.metadata.http_endpoint", r#""enabled""#),
                ],
                good: &[
                    ("resource.state", r#""running""#),
                    ("resource.metadata.http_tokens", r#""required""#),
                ],
            },
            Control {
                id: "ec2-instance-iam-role",
                severity: "low",
                title: "Instances have a role instead of keys",
                fail: "The instance has no role.",
                operation: "ec2:DescribeInstances",
                bad: &[("resource.state", r#""running""#), ("resource.profile_arn", "null")],
                good: &[
                    ("resource.state", r#""running""#),
                    ("resource.profile_arn", r#""arn:aws:iam::{account}:instance-profile/web""#),
                ],
            },
        ],
    },
    Kind {
        id: "aws.ec2.vpc",
        is_global: false,
        is_many: true,
        name: "vpc-{code}",
        arn: "arn:aws:ec2:{region}:{account}:vpc/vpc-{code}",
        controls: &[
            Control {
                id: "vpc-flow-logs",
                severity: "medium",
                title: "VPCs have flow logs",
                fail: "The VPC has no active flow log of rejected traffic.",
                operation: "ec2:DescribeFlowLogs",
                bad: &[("resource.is_owned", "true"), ("resource.flow_logs", "[]")],
                good: &[("resource.flow_logs", r#"[{"id":"fl-{code}","status":"ACTIVE","traffic":"ALL"}]"#)],
            },
            Control {
                id: "vpc-endpoints-used",
                severity: "low",
                title: "VPCs reach S3 through an endpoint",
                fail: "Traffic to S3 leaves the VPC through the internet.",
                operation: "ec2:DescribeVpcEndpoints",
                bad: &[("resource.interface_count", "5"), ("resource.endpoints", "[]")],
                good: &[
                    ("resource.endpoints[0].service", r#""s3""#),
                    ("resource.endpoints[0].state", r#""available""#),
                ],
            },
        ],
    },
];
