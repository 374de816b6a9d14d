"""Alarms on the organization's trail, and topics, queues and event buses with policies.

The management account has the whole way of every monitoring requirement: a metric filter on the log group of
org-trail, an alarm on its metric, and a topic that an SQS queue is subscribed to, which needs no confirmation. The
other accounts have none: prod-trail delivers to no log group, dev-trail records one region, sandbox has no trail, and
moto does not show them the organization's.

Every account has the event bus `default` in every region.
"""

import json

US, EU = "us-east-1", "eu-west-1"
REGIONS = [US, EU]
SCANNED = ["management", "prod", "dev", "sandbox"]


def events(*names):
    return "{ " + " || ".join(f'$.eventName = "{name}"' for name in names) + " }"


# Written with wildcards where that covers the events of the benchmark and fits in a line.
FILTERS = {
    "unauthorized-api": '{ $.errorCode = "*UnauthorizedOperation" || $.errorCode = "AccessDenied*" }',
    "console-no-mfa": '{ $.eventName = "ConsoleLogin" && $.additionalEventData.MFAUsed != "Yes" }',
    "root-usage": '{ $.userIdentity.type = "Root" && $.userIdentity.invokedBy NOT EXISTS }',
    "iam-policy-changes": events("*Policy", "*PolicyVersion"),
    "cloudtrail-changes": events("*Trail", "*Logging"),
    "console-auth-failures": '{ $.eventName = "ConsoleLogin" && $.errorMessage = "Failed authentication" }',
    "kms-disable-delete": events("DisableKey", "ScheduleKeyDeletion"),
    "s3-policy-changes": events("*BucketAcl", "*BucketPolicy", "*BucketCors", "*BucketLifecycle", "*BucketReplication"),
    "config-changes": events("*ConfigurationRecorder", "*DeliveryChannel"),
    "security-group-changes": events("*SecurityGroup*"),
    "nacl-changes": events("*NetworkAcl*"),
    "gateway-changes": events("*CustomerGateway", "*InternetGateway"),
    "route-table-changes": events("*Route", "*RouteTable", "*RouteTableAssociation"),
    "vpc-changes": events("*Vpc*"),
    "organizations-changes": '{ $.eventSource = "organizations.amazonaws.com" }',
}


def everyone(action, arn, **condition):
    # moto wants a Sid.
    statement = {"Sid": "everyone", "Effect": "Allow", "Principal": "*", "Action": action, "Resource": arn}
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def topic(world, account, name):
    arn = world.client(account, "sns").create_topic(Name=name)["TopicArn"]
    world.named(arn, name, account, US, "aws.sns.topic")
    return world.made(account, "topics", name, arn)


def queue(world, account, name):
    sqs = world.client(account, "sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = f"arn:aws:sqs:{US}:{world.id(account)}:{name}"
    world.named(arn, name, account, US, "aws.sqs.queue")
    return url, world.made(account, "queues", name, arn)


def alarms(world):
    arn = topic(world, "management", "alarms")
    _, inbox = queue(world, "management", "alarm-inbox")
    world.client("management", "sns").subscribe(TopicArn=arn, Protocol="sqs", Endpoint=inbox)
    logs = world.client("management", "logs")
    cloudwatch = world.client("management", "cloudwatch")
    for name, pattern in FILTERS.items():
        logs.put_metric_filter(
            logGroupName="org-trail",
            filterName=name,
            filterPattern=pattern,
            metricTransformations=[{"metricName": name, "metricNamespace": "CIS", "metricValue": "1"}],
        )
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace="CIS",
            MetricName=name,
            Statistic="Sum",
            Period=300,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            ActionsEnabled=True,
            AlarmActions=[arn],
        )


def policies(world):
    organization = {"StringEquals": {"aws:PrincipalOrgID": world.organization_id}}
    sns = world.client("dev", "sns")
    for name, condition in (("open-topic", {}), ("organization-topic", organization)):
        arn = topic(world, "dev", name)
        policy = everyone("sns:Publish", arn, **condition)
        sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
    url, arn = queue(world, "dev", "open-queue")
    policy = everyone("sqs:SendMessage", arn)
    world.client("dev", "sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    queue(world, "dev", "own-queue")
    events_client = world.client("dev", "events")
    arn = events_client.create_event_bus(Name="open-bus")["EventBusArn"]
    events_client.put_permission(EventBusName="open-bus", Policy=everyone("events:PutEvents", arn))
    world.named(arn, "open-bus", "dev", US, "aws.events.bus")


def monitoring(world):
    alarms(world)
    policies(world)
    for account in SCANNED:
        for region in REGIONS:
            arn = f"arn:aws:events:{region}:{world.id(account)}:event-bus/default"
            world.named(arn, "default", account, region, "aws.events.bus")
