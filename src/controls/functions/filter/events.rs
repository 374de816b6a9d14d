//! Sample events of CloudTrail: those that the monitoring requirements of the CIS AWS Foundations Benchmark
//! (section 4, in 6.0 and 7.0 section 5) want to be told of, and everyday ones.
//!
//! A change is made by an IAM user, by a role, by the root user and by a service on behalf of a role, in several
//! regions: a filter that overlooks one of them overlooks the event. Calls that AWS refused need not be matched
//! unless the requirement is about them.

use serde_json::{Value, json};

use super::Mistake;

/// Stands in the values that are others in each event, such as account numbers and the names of people, and
/// as a property in objects of which nothing is known. No event has this character.
pub(super) const VARIABLE: &str = "\u{0}";

/// A version of the benchmark: its first two numbers. A third, as in 4.0.1, corrects the text and changes no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u32, u32);

impl Version {
    pub(super) fn parse(text: &str) -> Result<Self, Mistake> {
        let numbers: Option<Vec<u32>> = text.split('.').map(|number| number.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&([major, minor] | [major, minor, _])) => Ok(Self(major, minor)),
            _ => Err(Mistake::new("the version of the benchmark must be like '5.0' or '4.0.1'")),
        }
    }
}

/// An event that a requirement wants to be told of.
#[derive(Debug)]
pub(super) struct Sample {
    /// Name of the event, or what tells it from others of that name.
    pub(super) name: &'static str,
    pub(super) event: Value,
}

/// A requirement to be told of some events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Requirement {
    UnauthorizedCalls,
    SignInWithoutMfa,
    RootUse,
    SignInFailures,
    /// Changes to one service.
    Changes(&'static Changes),
}

/// The events by which a service is changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Changes {
    /// Name of the requirement.
    requirement: &'static str,
    /// Event source.
    source: &'static str,
    events: &'static [&'static str],
    /// Those that the benchmark lists since a later version than 1.5.
    later: &'static [(Version, &'static str)],
}

/// What each requirement lists. What it does not list need not be matched, although other scanners ask for it:
/// `PutEventSelectors`, `CreateOrganization`, `CancelHandshake` and `EnableAllFeatures`.
static CHANGES: [Changes; 11] = [
    Changes {
        requirement: "iam-policy-changes",
        source: "iam.amazonaws.com",
        events: &[
            "DeleteGroupPolicy",
            "DeleteRolePolicy",
            "DeleteUserPolicy",
            "PutGroupPolicy",
            "PutRolePolicy",
            "PutUserPolicy",
            "CreatePolicy",
            "DeletePolicy",
            "CreatePolicyVersion",
            "DeletePolicyVersion",
            "AttachRolePolicy",
            "DetachRolePolicy",
            "AttachUserPolicy",
            "DetachUserPolicy",
            "AttachGroupPolicy",
            "DetachGroupPolicy",
        ],
        later: &[],
    },
    Changes {
        requirement: "cloudtrail-changes",
        source: "cloudtrail.amazonaws.com",
        events: &["CreateTrail", "UpdateTrail", "DeleteTrail", "StartLogging", "StopLogging"],
        later: &[],
    },
    Changes {
        requirement: "kms-disable-delete",
        source: "kms.amazonaws.com",
        events: &["DisableKey", "ScheduleKeyDeletion"],
        later: &[],
    },
    // The names of events, which are not always those of the calls: PutBucketLifecycleConfiguration is logged
    // as PutBucketLifecycle.
    Changes {
        requirement: "s3-policy-changes",
        source: "s3.amazonaws.com",
        events: &[
            "PutBucketAcl",
            "PutBucketPolicy",
            "PutBucketCors",
            "PutBucketLifecycle",
            "PutBucketReplication",
            "DeleteBucketPolicy",
            "DeleteBucketCors",
            "DeleteBucketLifecycle",
            "DeleteBucketReplication",
        ],
        later: &[],
    },
    Changes {
        requirement: "config-changes",
        source: "config.amazonaws.com",
        events: &[
            "StopConfigurationRecorder",
            "DeleteDeliveryChannel",
            "PutDeliveryChannel",
            "PutConfigurationRecorder",
        ],
        later: &[],
    },
    Changes {
        requirement: "security-group-changes",
        source: EC2,
        events: &[
            "AuthorizeSecurityGroupIngress",
            "AuthorizeSecurityGroupEgress",
            "RevokeSecurityGroupIngress",
            "RevokeSecurityGroupEgress",
            "CreateSecurityGroup",
            "DeleteSecurityGroup",
        ],
        later: &[(Version(5, 0), "ModifySecurityGroupRules")],
    },
    Changes {
        requirement: "nacl-changes",
        source: EC2,
        events: &[
            "CreateNetworkAcl",
            "CreateNetworkAclEntry",
            "DeleteNetworkAcl",
            "DeleteNetworkAclEntry",
            "ReplaceNetworkAclEntry",
            "ReplaceNetworkAclAssociation",
        ],
        later: &[],
    },
    Changes {
        requirement: "gateway-changes",
        source: EC2,
        events: &[
            "CreateCustomerGateway",
            "DeleteCustomerGateway",
            "AttachInternetGateway",
            "CreateInternetGateway",
            "DeleteInternetGateway",
            "DetachInternetGateway",
        ],
        later: &[],
    },
    Changes {
        requirement: "route-table-changes",
        source: EC2,
        events: &[
            "CreateRoute",
            "CreateRouteTable",
            "ReplaceRoute",
            "ReplaceRouteTableAssociation",
            "DeleteRouteTable",
            "DeleteRoute",
            "DisassociateRouteTable",
        ],
        later: &[],
    },
    // Listed in all versions, although AWS retired ClassicLink in 2022.
    Changes {
        requirement: "vpc-changes",
        source: EC2,
        events: &[
            "CreateVpc",
            "DeleteVpc",
            "ModifyVpcAttribute",
            "AcceptVpcPeeringConnection",
            "CreateVpcPeeringConnection",
            "DeleteVpcPeeringConnection",
            "RejectVpcPeeringConnection",
            "AttachClassicLinkVpc",
            "DetachClassicLinkVpc",
            "DisableVpcClassicLink",
            "EnableVpcClassicLink",
        ],
        later: &[],
    },
    Changes {
        requirement: "organizations-changes",
        source: "organizations.amazonaws.com",
        events: &[
            "AcceptHandshake",
            "AttachPolicy",
            "CreateAccount",
            "CreateOrganizationalUnit",
            "CreatePolicy",
            "DeclineHandshake",
            "DeleteOrganization",
            "DeleteOrganizationalUnit",
            "DeletePolicy",
            "DetachPolicy",
            "DisablePolicyType",
            "EnablePolicyType",
            "InviteAccountToOrganization",
            "LeaveOrganization",
            "MoveAccount",
            "RemoveAccountFromOrganization",
            "UpdateOrganizationalUnit",
            "UpdatePolicy",
        ],
        later: &[],
    },
];

const EC2: &str = "ec2.amazonaws.com";
const IAM: &str = "iam.amazonaws.com";
const KMS: &str = "kms.amazonaws.com";
const S3: &str = "s3.amazonaws.com";

impl Requirement {
    /// The names under which expressions know the requirements.
    pub(super) const NAMES: [&str; 15] = [
        "unauthorized-api",
        "console-no-mfa",
        "root-usage",
        "iam-policy-changes",
        "cloudtrail-changes",
        "console-auth-failures",
        "kms-disable-delete",
        "s3-policy-changes",
        "config-changes",
        "security-group-changes",
        "nacl-changes",
        "gateway-changes",
        "route-table-changes",
        "vpc-changes",
        "organizations-changes",
    ];

    pub(super) fn parse(name: &str) -> Result<Self, Mistake> {
        match name {
            "unauthorized-api" => Ok(Self::UnauthorizedCalls),
            "console-no-mfa" => Ok(Self::SignInWithoutMfa),
            "root-usage" => Ok(Self::RootUse),
            "console-auth-failures" => Ok(Self::SignInFailures),
            _ => CHANGES.iter().find(|changes| changes.requirement == name).map(Self::Changes).ok_or_else(
                || {
                    let known = Self::NAMES.join("', '");
                    Mistake::new(format!("the requirement must be one of '{known}'"))
                },
            ),
        }
    }

    /// The events that a version of the benchmark wants to be told of. Those of one name follow each other.
    pub(super) fn samples(self, version: Version) -> Vec<Sample> {
        match self {
            Self::UnauthorizedCalls => unauthorized_calls(),
            Self::SignInWithoutMfa => {
                // The remediation allows to leave out other identities and failures.
                let sign_in = sign_in(Identity::User, "us-east-1", "Success");
                vec![Sample { name: CONSOLE_LOGIN, event: sign_in }]
            }
            Self::RootUse => root_use(),
            Self::SignInFailures => sign_in_failures(),
            Self::Changes(changes) => changes.samples(version),
        }
    }
}

impl Changes {
    fn samples(&self, version: Version) -> Vec<Sample> {
        let later = self.later.iter().filter(|(since, _)| *since <= version).map(|(_, name)| *name);
        let is_global = matches!(self.source, IAM | "organizations.amazonaws.com");
        self.events
            .iter()
            .copied()
            .chain(later)
            .flat_map(|name| {
                Identity::ALL.map(|identity| {
                    let region = if is_global { "us-east-1" } else { identity.region() };
                    Sample { name, event: call(identity, region, self.source, name) }
                })
            })
            .collect()
    }
}

/// One per code with which services refuse. The requirement allows to leave out the deliveries of logs
/// (`delivery.logs.amazonaws.com`) and `HeadBucket`.
fn unauthorized_calls() -> Vec<Sample> {
    let refused = [
        ("Client.UnauthorizedOperation", EC2, "RunInstances"),
        ("AccessDenied", IAM, "CreateUser"),
        ("AccessDeniedException", KMS, "Decrypt"),
    ];
    refused
        .into_iter()
        .flat_map(|(code, source, name)| {
            Identity::ALL.map(|identity| {
                let mut event = call(identity, identity.region(), source, name);
                set(&mut event, "responseElements", Value::Null);
                set(&mut event, "errorCode", json!(code));
                set(&mut event, "errorMessage", json!(format!("not authorized {VARIABLE}")));
                Sample { name: code, event }
            })
        })
        .collect()
}

/// A sign-in, a change and a read, made by the root user itself: what a service does in its name
/// (`invokedBy`, `AwsServiceEvent`) need not be matched.
fn root_use() -> Vec<Sample> {
    vec![
        Sample { name: CONSOLE_LOGIN, event: sign_in(Identity::Root, "us-east-1", "Success") },
        Sample { name: "CreateAccessKey", event: call(Identity::Root, "us-east-1", IAM, "CreateAccessKey") },
        Sample { name: "ListBuckets", event: call(Identity::Root, "eu-west-1", S3, "ListBuckets") },
    ]
}

/// With a wrong password. An unknown user gives another message, which the requirement does not mention.
fn sign_in_failures() -> Vec<Sample> {
    [(Identity::User, "us-east-1"), (Identity::User, "eu-central-1"), (Identity::Root, "us-east-1")]
        .into_iter()
        .map(|(identity, region)| {
            let mut event = sign_in(identity, region, "Failure");
            set(&mut event, "errorMessage", json!("Failed authentication"));
            Sample { name: CONSOLE_LOGIN, event }
        })
        .collect()
}

/// Events of every day that no requirement asks for.
pub(super) fn everyday() -> Vec<Value> {
    [
        (Identity::User, EC2, "DescribeInstances"),
        (Identity::Role, S3, "GetBucketLocation"),
        (Identity::Role, KMS, "Decrypt"),
        (Identity::Service, IAM, "GetRole"),
        (Identity::Service, "logs.amazonaws.com", "CreateLogStream"),
    ]
    .into_iter()
    .map(|(identity, source, name)| call(identity, identity.region(), source, name))
    .collect()
}

const CONSOLE_LOGIN: &str = "ConsoleLogin";

/// Who makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Identity {
    User,
    Role,
    Root,
    /// A service for a role.
    Service,
}

impl Identity {
    const ALL: [Self; 4] = [Self::User, Self::Role, Self::Root, Self::Service];

    const fn region(self) -> &'static str {
        match self {
            Self::User | Self::Root => "us-east-1",
            Self::Role => "eu-central-1",
            Self::Service => "ap-southeast-2",
        }
    }

    /// The [element `userIdentity`](https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html).
    fn element(self) -> Value {
        let kind = match self {
            Self::User => "IAMUser",
            Self::Role | Self::Service => "AssumedRole",
            Self::Root => "Root",
        };
        let mut element = json!({
            "type": kind,
            "principalId": VARIABLE,
            "arn": VARIABLE,
            "accountId": VARIABLE,
            "accessKeyId": VARIABLE,
        });
        match self {
            Self::User => set(&mut element, "userName", json!(VARIABLE)),
            Self::Role | Self::Service => {
                set(
                    &mut element,
                    "sessionContext",
                    json!({
                        "sessionIssuer": {
                            "type": "Role",
                            "principalId": VARIABLE,
                            "arn": VARIABLE,
                            "accountId": VARIABLE,
                            "userName": VARIABLE,
                        },
                        "attributes": { "creationDate": VARIABLE, "mfaAuthenticated": "false" },
                    }),
                );
            }
            Self::Root => {}
        }
        if self == Self::Service {
            set(&mut element, "invokedBy", json!("cloudformation.amazonaws.com"));
        }
        element
    }
}

/// A call that succeeded, as in the
/// [reference](https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html).
fn call(identity: Identity, region: &str, source: &str, name: &str) -> Value {
    let is_read = ["Decrypt", "Describe", "Get", "List"].iter().any(|verb| name.starts_with(verb));
    let from_service = identity == Identity::Service;
    let (address, agent) = if from_service {
        ("cloudformation.amazonaws.com", "cloudformation.amazonaws.com")
    } else {
        ("203.0.113.17", VARIABLE)
    };
    let mut event = json!({
        "eventVersion": "1.09",
        "userIdentity": identity.element(),
        "eventTime": VARIABLE,
        "eventSource": source,
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": address,
        "userAgent": agent,
        "requestParameters": { VARIABLE: VARIABLE },
        "responseElements": { VARIABLE: VARIABLE },
        "requestID": VARIABLE,
        "eventID": VARIABLE,
        "readOnly": is_read,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": VARIABLE,
        "eventCategory": "Management",
    });
    // Not every event has these, so that a filter may neither ask for them nor refuse them.
    match identity {
        Identity::User => set(&mut event, "sessionCredentialFromConsole", json!("true")),
        Identity::Role => {
            set(&mut event, "tlsDetails", json!(VARIABLE));
            set(&mut event, "vpcEndpointId", json!(VARIABLE));
        }
        Identity::Root | Identity::Service => {}
    }
    event
}

/// A [sign-in](https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-aws-console-sign-in-events.html)
/// without MFA.
fn sign_in(identity: Identity, region: &str, outcome: &str) -> Value {
    let mut event = call(identity, region, "signin.amazonaws.com", CONSOLE_LOGIN);
    set(&mut event, "eventType", json!("AwsConsoleSignIn"));
    set(&mut event, "requestParameters", Value::Null);
    set(&mut event, "responseElements", json!({ "ConsoleLogin": outcome }));
    set(
        &mut event,
        "additionalEventData",
        json!({
            "LoginTo": VARIABLE,
            "MobileVersion": "No",
            "MFAUsed": "No",
        }),
    );
    event
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}
