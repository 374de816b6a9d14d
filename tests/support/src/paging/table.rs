//! Which operations answer in pages, and where the list is in the answer.

/// An operation that answers in pages.
#[derive(Debug)]
pub(super) struct Listing {
    /// `service:Operation`.
    pub(super) operation: &'static str,
    /// How it pages.
    pub(super) form: Form,
    /// Names of the elements or members whose content is spread over the pages.
    pub(super) lists: &'static [&'static str],
}

/// How a service hands out pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `Marker` both ways, `IsTruncated` beside it; the lists are in the `…Result` element.
    Iam,
    /// `NextToken` asked, `nextToken` answered; the lists are in the root element.
    Ec2,
    /// `continuation-token` asked, `ContinuationToken` answered.
    S3,
    /// JSON, `NextToken` both ways.
    Json,
    /// `NextToken` both ways; the lists are in the `…Result` element.
    Sns,
    /// JSON, `Marker` asked, `NextMarker` and `Truncated` answered.
    Kms,
    /// JSON, `nextToken` both ways.
    Rest,
    /// IAM's without `IsTruncated`.
    Rds,
    /// JSON, `Marker` asked, `NextMarker` answered.
    Efs,
    /// JSON, `marker` asked, `Marker` answered.
    Glacier,
    /// RDS's with `NextMarker` answered.
    Elb,
    /// XML, `Marker` asked, `NextMarker` answered, `IsTruncated` beside it; the lists are in the root element.
    CloudFront,
    /// JSON, `position` both ways.
    ApiGateway,
}

impl Form {
    /// The parameter that asks for a later page.
    pub(super) const fn request_token(self) -> &'static str {
        match self {
            Self::Iam | Self::Kms | Self::Rds | Self::Efs | Self::Elb | Self::CloudFront => "Marker",
            Self::ApiGateway => "position",
            Self::Glacier => "marker",
            Self::Ec2 | Self::Json | Self::Sns => "NextToken",
            Self::Rest => "nextToken",
            Self::S3 => "continuation-token",
        }
    }

    /// The element or member that names the next page.
    pub(super) const fn answer_token(self) -> &'static str {
        match self {
            Self::Iam | Self::Rds | Self::Glacier => "Marker",
            Self::Ec2 | Self::Rest => "nextToken",
            Self::ApiGateway => "position",
            Self::S3 => "ContinuationToken",
            Self::Json | Self::Sns => "NextToken",
            Self::Kms | Self::Efs | Self::Elb | Self::CloudFront => "NextMarker",
        }
    }

    /// The element or member that says whether there is a next page.
    pub(super) const fn truncated(self) -> Option<&'static str> {
        match self {
            Self::Iam | Self::CloudFront => Some("IsTruncated"),
            Self::Kms => Some("Truncated"),
            Self::Ec2 | Self::S3 | Self::Json | Self::Sns | Self::Rest => None,
            Self::Rds | Self::Efs | Self::Glacier | Self::Elb | Self::ApiGateway => None,
        }
    }

    /// Whether answers are JSON; they are XML otherwise.
    pub(super) const fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::Kms | Self::Rest | Self::Efs | Self::Glacier | Self::ApiGateway)
    }

    /// Whether the lists are in a `…Result` element, beside which there is `ResponseMetadata`.
    pub(super) const fn has_result(self) -> bool {
        matches!(self, Self::Iam | Self::Rds | Self::Sns | Self::Elb)
    }
}

pub(super) fn find(operation: &str) -> Option<&'static Listing> {
    LISTINGS.iter().find(|listing| listing.operation == operation)
}

const fn row(form: Form, operation: &'static str, lists: &'static [&'static str]) -> Listing {
    Listing { operation, form, lists }
}

/// Lists that AWS leaves out of an answer when they are empty.
pub(super) const MAY_BE_MISSING: &[&str] = &["CompositeAlarms", "Items", "QueueUrls"];

use Form::{ApiGateway, CloudFront, Ec2, Efs, Elb, Glacier, Iam, Json, Kms, Rds, Rest, S3, Sns};

#[rustfmt::skip]
pub(super) static LISTINGS: &[Listing] = &[
    row(Rest, "access-analyzer:ListAnalyzers", &["analyzers"]),
    row(ApiGateway, "apigateway:GetRestApis", &["item"]),
    row(Rest, "apigatewayv2:GetApis", &["items"]),
    row(Rest, "apigatewayv2:GetStages", &["items"]),
    row(CloudFront, "cloudfront:ListDistributions", &["Items"]),
    row(Json, "cloudtrail:ListTrails", &["Trails"]),
    row(Json, "cloudtrail:LookupEvents", &["Events"]),
    row(Json, "cloudwatch:DescribeAlarms", &["MetricAlarms", "CompositeAlarms"]),
    row(Ec2, "ec2:DescribeFlowLogs", &["flowLogSet"]),
    row(Ec2, "ec2:DescribeImages", &["imagesSet"]),
    row(Ec2, "ec2:DescribeInstances", &["reservationSet"]),
    row(Ec2, "ec2:DescribeInternetGateways", &["internetGatewaySet"]),
    row(Ec2, "ec2:DescribeManagedPrefixLists", &["prefixListSet"]),
    row(Ec2, "ec2:DescribeNatGateways", &["natGatewaySet"]),
    row(Ec2, "ec2:DescribeNetworkAcls", &["networkAclSet"]),
    row(Ec2, "ec2:DescribeNetworkInterfaces", &["networkInterfaceSet"]),
    row(Ec2, "ec2:DescribePrefixLists", &["prefixListSet"]),
    row(Ec2, "ec2:DescribeRouteTables", &["routeTableSet"]),
    row(Ec2, "ec2:DescribeSecurityGroupRules", &["securityGroupRuleSet"]),
    row(Ec2, "ec2:DescribeSecurityGroups", &["securityGroupInfo"]),
    row(Ec2, "ec2:DescribeSnapshots", &["snapshotSet"]),
    row(Ec2, "ec2:DescribeSubnets", &["subnetSet"]),
    row(Ec2, "ec2:DescribeVolumes", &["volumeSet"]),
    row(Ec2, "ec2:DescribeVpcEndpoints", &["vpcEndpointSet"]),
    row(Ec2, "ec2:DescribeVpcPeeringConnections", &["vpcPeeringConnectionSet"]),
    row(Ec2, "ec2:DescribeVpcs", &["vpcSet"]),
    row(Ec2, "ec2:GetManagedPrefixListEntries", &["entrySet"]),
    row(Rest, "ecs:ListClusters", &["clusterArns"]),
    row(Rest, "eks:ListClusters", &["clusters"]),
    row(Efs, "elasticfilesystem:DescribeFileSystems", &["FileSystems"]),
    row(Elb, "elasticloadbalancing:DescribeLoadBalancers", &["LoadBalancers"]),
    row(Json, "events:ListEventBuses", &["EventBuses"]),
    row(Glacier, "glacier:ListVaults", &["VaultList"]),
    row(Iam, "iam:GetAccountAuthorizationDetails",
        &["UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"]),
    row(Iam, "iam:GetGroup", &["Users"]),
    row(Iam, "iam:ListAccessKeys", &["AccessKeyMetadata"]),
    row(Iam, "iam:ListAccountAliases", &["AccountAliases"]),
    row(Iam, "iam:ListAttachedGroupPolicies", &["AttachedPolicies"]),
    row(Iam, "iam:ListAttachedRolePolicies", &["AttachedPolicies"]),
    row(Iam, "iam:ListAttachedUserPolicies", &["AttachedPolicies"]),
    row(Iam, "iam:ListEntitiesForPolicy", &["PolicyGroups", "PolicyUsers", "PolicyRoles"]),
    row(Iam, "iam:ListGroupPolicies", &["PolicyNames"]),
    row(Iam, "iam:ListGroups", &["Groups"]),
    row(Iam, "iam:ListGroupsForUser", &["Groups"]),
    row(Iam, "iam:ListInstanceProfileTags", &["Tags"]),
    row(Iam, "iam:ListInstanceProfiles", &["InstanceProfiles"]),
    row(Iam, "iam:ListInstanceProfilesForRole", &["InstanceProfiles"]),
    row(Iam, "iam:ListMFADevices", &["MFADevices"]),
    row(Iam, "iam:ListPolicies", &["Policies"]),
    row(Iam, "iam:ListPolicyTags", &["Tags"]),
    row(Iam, "iam:ListPolicyVersions", &["Versions"]),
    row(Iam, "iam:ListRolePolicies", &["PolicyNames"]),
    row(Iam, "iam:ListRoleTags", &["Tags"]),
    row(Iam, "iam:ListRoles", &["Roles"]),
    row(Iam, "iam:ListServerCertificateTags", &["Tags"]),
    row(Iam, "iam:ListServerCertificates", &["ServerCertificateMetadataList"]),
    row(Iam, "iam:ListSigningCertificates", &["Certificates"]),
    row(Iam, "iam:ListSSHPublicKeys", &["SSHPublicKeys"]),
    row(Iam, "iam:ListUserPolicies", &["PolicyNames"]),
    row(Iam, "iam:ListUserTags", &["Tags"]),
    row(Iam, "iam:ListUsers", &["Users"]),
    row(Iam, "iam:ListVirtualMFADevices", &["VirtualMFADevices"]),
    row(Kms, "kms:ListAliases", &["Aliases"]),
    row(Kms, "kms:ListGrants", &["Grants"]),
    row(Kms, "kms:ListKeyPolicies", &["PolicyNames"]),
    row(Kms, "kms:ListKeys", &["Keys"]),
    row(Kms, "kms:ListResourceTags", &["Tags"]),
    row(Efs, "lambda:ListAliases", &["Aliases"]),
    row(Efs, "lambda:ListFunctions", &["Functions"]),
    row(Rest, "logs:DescribeDeliveries", &["deliveries"]),
    row(Rest, "logs:DescribeDeliverySources", &["deliverySources"]),
    row(Rest, "logs:DescribeMetricFilters", &["metricFilters"]),
    row(Rest, "macie2:ListClassificationJobs", &["items"]),
    row(Json, "organizations:ListAWSServiceAccessForOrganization", &["EnabledServicePrincipals"]),
    row(Json, "organizations:ListAccounts", &["Accounts"]),
    row(Json, "organizations:ListAccountsForParent", &["Accounts"]),
    row(Json, "organizations:ListChildren", &["Children"]),
    row(Json, "organizations:ListDelegatedAdministrators", &["DelegatedAdministrators"]),
    row(Json, "organizations:ListDelegatedServicesForAccount", &["DelegatedServices"]),
    row(Json, "organizations:ListOrganizationalUnitsForParent", &["OrganizationalUnits"]),
    row(Json, "organizations:ListParents", &["Parents"]),
    row(Json, "organizations:ListPolicies", &["Policies"]),
    row(Json, "organizations:ListPoliciesForTarget", &["Policies"]),
    row(Json, "organizations:ListRoots", &["Roots"]),
    row(Json, "organizations:ListTagsForResource", &["Tags"]),
    row(Json, "organizations:ListTargetsForPolicy", &["Targets"]),
    row(Rds, "rds:DescribeDBClusters", &["DBClusters"]),
    row(Rds, "rds:DescribeDBInstances", &["DBInstances"]),
    row(S3, "s3:ListBuckets", &["Buckets"]),
    row(Json, "secretsmanager:ListSecrets", &["SecretList"]),
    row(Sns, "sns:ListSubscriptionsByTopic", &["Subscriptions"]),
    row(Sns, "sns:ListTopics", &["Topics"]),
    row(Json, "sqs:ListQueues", &["QueueUrls"]),
    row(Json, "sso:ListInstances", &["Instances"]),
    row(Json, "sso:ListPermissionSets", &["PermissionSets"]),
];
