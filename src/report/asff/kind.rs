//! Security Hub's names of resource types.

/// An account, and what has no ARN of its own.
pub(super) const ACCOUNT: &str = "AwsAccount";

/// What Security Hub calls a type of resource, from [its
/// list](https://docs.aws.amazon.com/securityhub/latest/userguide/asff-resources.html); `Other` for what it has no
/// name for.
pub(super) fn of(resource_type: &str) -> &'static str {
    match resource_type {
        "aws.accessanalyzer.region"
        | "aws.account"
        | "aws.config.region"
        | "aws.ec2.region_settings"
        | "aws.iam.account"
        | "aws.macie.region"
        | "aws.organizations.organization"
        | "aws.s3.account"
        | "aws.securityhub.region" => ACCOUNT,
        "aws.apigateway.stage" => "AwsApiGatewayStage",
        "aws.apigatewayv2.stage" => "AwsApiGatewayV2Stage",
        "aws.cloudfront.distribution" => "AwsCloudFrontDistribution",
        "aws.cloudtrail.trail" => "AwsCloudTrailTrail",
        "aws.cloudwatch.alarm" => "AwsCloudWatchAlarm",
        "aws.ec2.instance" => "AwsEc2Instance",
        "aws.ec2.network_acl" => "AwsEc2NetworkAcl",
        "aws.ec2.route_table" => "AwsEc2RouteTable",
        "aws.ec2.security_group" => "AwsEc2SecurityGroup",
        "aws.ec2.vpc" => "AwsEc2Vpc",
        "aws.ec2.vpc_peering" => "AwsEc2VpcPeeringConnection",
        "aws.ecs.cluster" => "AwsEcsCluster",
        "aws.eks.cluster" => "AwsEksCluster",
        "aws.elbv2.load_balancer" => "AwsElbv2LoadBalancer",
        "aws.events.bus" => "AwsEventsEventbus",
        "aws.iam.policy" => "AwsIamPolicy",
        "aws.iam.role" => "AwsIamRole",
        "aws.iam.user" => "AwsIamUser",
        "aws.kms.key" => "AwsKmsKey",
        "aws.lambda.function" => "AwsLambdaFunction",
        "aws.rds.instance" => "AwsRdsDbInstance",
        "aws.s3.bucket" => "AwsS3Bucket",
        "aws.secretsmanager.secret" => "AwsSecretsManagerSecret",
        "aws.sns.topic" => "AwsSnsTopic",
        "aws.sqs.queue" => "AwsSqsQueue",
        _ => "Other",
    }
}
