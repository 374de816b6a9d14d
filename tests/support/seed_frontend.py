"""Lambda functions, CloudFront distributions, load balancers and API stages of the demo organization.

Where the emulator (moto) is not like AWS:
- An application load balancer has no attribute `access_logs.s3.enabled` until it is set; AWS always has it. So it is
  set here, to false as well.
- The policy of an alias is that of the version behind it.
"""

import io
import zipfile

US, EU = "us-east-1", "eu-west-1"


def frontend_prod(world):
    me = "prod"
    function(world, me, US, "prod-orders", "app")
    client = world.client(me, "lambda")
    client.add_permission(
        FunctionName="prod-orders", StatementId="uploads", Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com", SourceArn="arn:aws:s3:::upright-demo-prod-data", SourceAccount=world.id(me),
    )
    client.publish_version(FunctionName="prod-orders")
    client.create_alias(FunctionName="prod-orders", Name="live", FunctionVersion="1")
    function(world, me, EU, "prod-quiet", "app")

    distribution(world, me, "prod-legacy", logs="upright-demo-prod-logs.s3.amazonaws.com")
    arn = distribution(world, me, "prod-v2")
    logs = world.client(me, "logs")
    logs.put_delivery_source(name="prod-v2", resourceArn=arn, logType="ACCESS_LOGS")
    to = logs.put_delivery_destination(
        name="edge-logs", deliveryDestinationConfiguration={"destinationResourceArn": "arn:aws:s3:::upright-demo-prod-logs"},
    )["deliveryDestination"]["arn"]
    logs.create_delivery(deliverySourceName="prod-v2", deliveryDestinationArn=to)

    load_balancer(world, me, US, "prod-web", "application", logs=True)
    load_balancer(world, me, US, "prod-tcp", "network", logs=False)
    rest_api(world, me, US, "prod-orders-api", "live", logs=True)
    api(world, me, US, "prod-http", "HTTP", "$default", logs=True)


def frontend_dev(world):
    me = "dev"
    function(world, me, US, "dev-open", "dev-app")
    client = world.client(me, "lambda")
    client.add_permission(FunctionName="dev-open", StatementId="all", Action="lambda:InvokeFunction", Principal="*")
    function(world, me, US, "dev-any-topic", "dev-app")
    client.add_permission(
        FunctionName="dev-any-topic", StatementId="sns", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com",
    )
    function(world, me, EU, "dev-open-alias", "dev-app")
    client = world.client(me, "lambda", EU)
    client.publish_version(FunctionName="dev-open-alias")
    client.create_alias(FunctionName="dev-open-alias", Name="live", FunctionVersion="1")
    client.add_permission(
        FunctionName="dev-open-alias", StatementId="all", Action="lambda:InvokeFunction", Principal="*", Qualifier="live",
    )

    distribution(world, me, "dev-silent")
    load_balancer(world, me, EU, "dev-web", "application", logs=False)
    rest_api(world, me, EU, "dev-api", "test", logs=False)
    api(world, me, EU, "dev-sockets", "WEBSOCKET", "test", logs=False)


def function(world, account, region, name, role):
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("main.py", "def handler(event, context):\n    return None\n")
    arn = world.client(account, "lambda", region).create_function(
        FunctionName=name, Runtime="python3.13", Role=world.got(account, "roles", role), Handler="main.handler",
        Code={"ZipFile": code.getvalue()},
    )["FunctionArn"]
    world.made(account, "functions", name, arn)
    world.named(arn, name, account, region, "aws.lambda.function")


def distribution(world, account, name, logs=None):
    """logs: domain name of the bucket of legacy standard logs."""
    made = world.client(account, "cloudfront").create_distribution(
        DistributionConfig={
            "CallerReference": name,
            "Comment": name,
            "Enabled": True,
            "Origins": {"Quantity": 1, "Items": [{
                "Id": "site", "DomainName": "site.upright.example",
                "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "https-only"},
            }]},
            "DefaultCacheBehavior": {
                "TargetOriginId": "site", "ViewerProtocolPolicy": "redirect-to-https", "MinTTL": 0,
                "ForwardedValues": {"QueryString": False, "Cookies": {"Forward": "none"}},
            },
            "Logging": {"Enabled": bool(logs), "IncludeCookies": False, "Bucket": logs or "", "Prefix": ""},
        }
    )["Distribution"]
    world.made(account, "distributions", name, made["ARN"])
    world.named(made["ARN"], name, account, "global", "aws.cloudfront.distribution")
    return made["ARN"]


def load_balancer(world, account, region, name, kind, logs):
    ec2 = world.client(account, "ec2", region)
    default = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [default]}])["Subnets"]
    client = world.client(account, "elbv2", region)
    arn = client.create_load_balancer(
        Name=name, Type=kind, Scheme="internet-facing", Subnets=sorted(s["SubnetId"] for s in subnets)[:2],
    )["LoadBalancers"][0]["LoadBalancerArn"]
    attributes = {"access_logs.s3.enabled": "true" if logs else "false"}
    if logs:
        attributes["access_logs.s3.bucket"] = "upright-demo-prod-logs"
    client.modify_load_balancer_attributes(
        LoadBalancerArn=arn, Attributes=[{"Key": key, "Value": value} for key, value in attributes.items()],
    )
    world.made(account, "load_balancers", name, arn)
    world.named(arn, name, account, region, "aws.elbv2.load_balancer")


def log_group(world, account, region):
    return f"arn:aws:logs:{region}:{world.id(account)}:log-group:api-access"


def rest_api(world, account, region, name, stage, logs):
    client = world.client(account, "apigateway", region)
    made = client.create_rest_api(name=name, tags={"position": "not a token"})["id"]
    root = client.get_resources(restApiId=made)["items"][0]["id"]
    client.put_method(restApiId=made, resourceId=root, httpMethod="GET", authorizationType="NONE")
    client.put_integration(restApiId=made, resourceId=root, httpMethod="GET", type="MOCK")
    client.create_deployment(restApiId=made, stageName=stage)
    # Execution logs, which are no access logs.
    patches = [{"op": "replace", "path": "/*/*/logging/loglevel", "value": "INFO"}]
    if logs:
        access = {"destinationArn": log_group(world, account, region), "format": "$context.requestId"}
        patches = [{"op": "replace", "path": f"/accessLogSettings/{key}", "value": value} for key, value in access.items()]
    client.update_stage(restApiId=made, stageName=stage, patchOperations=patches)
    arn = f"arn:aws:apigateway:{region}::/restapis/{made}/stages/{stage}"
    world.made(account, "rest_api_stages", name, arn)
    world.named(arn, f"{name}/{stage}", account, region, "aws.apigateway.stage")


def api(world, account, region, name, protocol, stage, logs):
    client = world.client(account, "apigatewayv2", region)
    made = client.create_api(Name=name, ProtocolType=protocol, RouteSelectionExpression="$request.method")["ApiId"]
    more = {}
    if logs:
        more["AccessLogSettings"] = {"DestinationArn": log_group(world, account, region), "Format": "$context.requestId"}
    client.create_stage(ApiId=made, StageName=stage, **more)
    arn = f"arn:aws:apigateway:{region}::/apis/{made}/stages/{stage}"
    world.made(account, "api_stages", name, arn)
    world.named(arn, f"{name}/{stage}", account, region, "aws.apigatewayv2.stage")
