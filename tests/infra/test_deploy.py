"""The templates made into stacks, and what came out of them: on ministack, which knows nearly all of their resources.

It does not know AWS::Events::EventBusPolicy, which is left out of what it is given. Of what it makes, it forgets the
encryption of buckets and topics, which is looked at on moto, and lifecycle rules and reserved concurrency, which only
test_templates.py and cfn-lint look at. It takes a policy for what it is without asking whether it allows what is done:
whether permissions are enough is for AWS to say, whether they are those that `upright iam-policy` prints is looked at
here. UPRIGHT names the built program.
"""

import fnmatch
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import boto3
import template
from moto.server import ThreadedMotoServer
from ministack import ACCOUNT, REGION, Ministack, zipped

UNKNOWN_TO_MINISTACK = {"BusPolicy": "AWS::Events::EventBusPolicy"}
UPRIGHT = os.environ.get("UPRIGHT")
EXTERNAL_ID = "nightly"
TRAIL_KEY = f"arn:aws:kms:{REGION}:222233334444:key/5f1a"
FIX = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:fix"


def iam_policy(*arguments, configuration="{}\n"):
    """What the program prints."""
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory, "upright.yaml")
        config.write_text(configuration, encoding="utf-8")
        command = [UPRIGHT, "iam-policy", *arguments]
        if "--events" not in arguments:
            command += ["--config", str(config)]
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def meaning(statements):
    """Statements as what they allow: (action, resource, condition), each by itself."""
    return {
        (action, resource, json.dumps(conditions(statement), sort_keys=True))
        for statement in statements
        for action in template.listed(statement["Action"])
        for resource in template.listed(statement["Resource"])
    }


def conditions(statement):
    """Conditions, each value a list, as a policy means it."""
    return {
        operator: {key: template.listed(value) for key, value in tests.items()}
        for operator, tests in statement.get("Condition", {}).items()
    }


class Stacks(unittest.TestCase):
    """All five, with everything that is optional."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.aws = cls.enterClassContext(Ministack())
        s3 = cls.aws.client("s3")
        s3.create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket="code", Key="1/bootstrap.zip", Body=zipped({"bootstrap": b"#!/bin/sh\n"}))
        cls.aws.client("logs").create_log_group(logGroupName="trail")
        cls.scanner = cls.deploy(
            "scanner",
            CodeBucket="code",
            CodeKey="1/bootstrap.zip",
            AlertEmail="ann@example.com",
            ArchivePrefix="audit/upright",
            MemberRoleName="audit/Scanner",
            OrganizationId="o-abcdefghij",
            TrailBucket="trail-bucket",
            TrailBucketAccount="222233334444",
            TrailKeyArn=TRAIL_KEY,
            TrailLogGroup="trail",
            RemediationFunctionArns=FIX,
        )
        cls.member = cls.deploy("member-role", ScannerRoleArn=cls.scanner["RoleArn"], ExternalId=EXTERNAL_ID)
        cls.events = cls.deploy("member-events", BusArn=cls.scanner["BusArn"])
        archive = {"ArchiveBucket": cls.scanner["ArchiveBucket"], "KeyArn": cls.scanner["KeyArn"]}
        cls.athena = cls.deploy("athena", **archive)
        cls.fanout = cls.deploy(
            "fanout",
            FunctionArn=cls.scanner["ScanFunctionArn"],
            TopicArn=cls.scanner["TopicArn"],
            AccountsAtOnce="7",
            **archive,
        )

    @classmethod
    def deploy(cls, name, stack=None, **parameters):
        """Makes a stack of a template, and answers its outputs."""
        body = template.load(name)
        for logical_id, kind in UNKNOWN_TO_MINISTACK.items():
            removed = body["Resources"].pop(logical_id, None)
            assert removed is None or removed["Type"] == kind
        return cls.aws.deploy(stack or name, body, **parameters)

    def physical(self, stack, logical_id):
        """What a resource is called."""
        answer = self.aws.client("cloudformation").describe_stack_resource(
            StackName=stack, LogicalResourceId=logical_id
        )
        return answer["StackResourceDetail"]["PhysicalResourceId"]

    def allowed(self, role):
        """The names of a role's policies with their statements."""
        iam, found = self.aws.client("iam"), {}
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            found[name] = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]["Statement"]
        for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
            version = iam.get_policy(PolicyArn=policy["PolicyArn"])["Policy"]["DefaultVersionId"]
            document = iam.get_policy_version(PolicyArn=policy["PolicyArn"], VersionId=version)["PolicyVersion"]
            length = len(json.dumps(document["Document"], separators=(",", ":")))
            self.assertLessEqual(length, 6144, f"{policy['PolicyName']}: IAM takes no more characters")
            found[policy["PolicyName"].split("-")[-2]] = document["Document"]["Statement"]
        return found

    def test_the_scanner_may_do_what_a_scan_of_its_configuration_needs_and_no_more(self):
        configuration = (
            f"archive: {self.scanner['ArchiveAddress']}\nrole_name: audit/Scanner\n"
            f"notify: {{ topics: [{{ arn: '{self.scanner['TopicArn']}' }}] }}\n"
        )
        # Units and tags may be chosen later without another deployment.
        scan = ["--organization", "--include-units", "any", "--exclude-tags", "any=any"]
        printed = iam_policy(*scan, configuration=configuration)["Statement"]
        allowed = self.allowed("upright-scanner")
        by_hand = ("run", "read-trail", "remediate")
        of_scan = [s for name, policy in allowed.items() if name not in by_hand for s in policy]
        self.assertEqual(meaning(of_scan), meaning(printed))

        trail = iam_policy("--events", "s3://trail-bucket/AWSLogs/", "--kms-key", TRAIL_KEY)["Statement"]
        self.assertEqual(meaning(allowed["read-trail"]), meaning(trail))
        self.assertEqual(
            meaning(allowed["remediate"]), {("lambda:InvokeFunction", FIX, "{}")}, "what was named, and no more"
        )
        archive = f"arn:aws:s3:::{self.scanner['ArchiveBucket']}"
        by_action = {action: resource for action, resource, _ in meaning(allowed["run"])}
        self.assertEqual(by_action["s3:GetObject"], f"{archive}/config/*")
        self.assertEqual(by_action["sqs:DeleteMessage"], self.scanner["EventsQueueArn"])
        self.assertEqual(by_action["kms:Decrypt"], self.scanner["KeyArn"])
        self.assertEqual(
            sorted(by_action),
            sorted(
                ["kms:Decrypt", "kms:GenerateDataKey", "logs:CreateLogStream", "logs:PutLogEvents", "s3:GetObject"]
                + ["s3:ListBucket", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage"]
            ),
        )

    def test_a_scanner_of_one_account_enters_no_other(self):
        own = self.deploy(
            "scanner",
            "own",
            Name="own",
            CodeBucket="code",
            CodeKey="1/bootstrap.zip",
            Scope="account",
            WatchEvents="no",
            Schedule="",
            SuccessExpectedHours="0",
        )
        allowed = self.allowed("own-scanner")
        configuration = (
            f"archive: {own['ArchiveAddress']}\nnotify: {{ topics: [{{ arn: '{own['TopicArn']}' }}] }}\n"
        )
        printed = iam_policy(configuration=configuration)["Statement"]
        of_scan = [s for name, policy in allowed.items() if name != "run" for s in policy]
        self.assertEqual(meaning(of_scan), meaning(printed))

    def test_the_member_lets_in_that_role_only_and_may_read(self):
        role = self.aws.client("iam").get_role(RoleName="UprightScanner")["Role"]
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        scanner = self.scanner["RoleArn"]
        printed = iam_policy("--trust", scanner, "--external-id", EXTERNAL_ID)["Statement"][0]
        self.assertEqual(printed["Principal"], {"AWS": scanner})
        # The same role, as the account's with a condition; see the template for why.
        self.assertEqual(statement["Principal"], {"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
        only = {"ArnEquals": {"aws:PrincipalArn": [scanner]}}
        for key in ("Sid", "Effect", "Action"):
            self.assertEqual(statement[key], printed[key])
        self.assertEqual(conditions(statement), {**conditions(printed), **only})
        allowed = [s for policy in self.allowed("UprightScanner").values() for s in policy]
        needed = iam_policy("--organization", "--role", "member")["Statement"]
        self.assertEqual(meaning(allowed), meaning(needed))

    def test_a_member_without_an_external_id_asks_for_none(self):
        names = {"RoleName": "Plain", "RolePath": "/a/"}
        self.deploy("member-role", "plain-member", ScannerRoleArn=self.scanner["RoleArn"], **names)
        role = self.aws.client("iam").get_role(RoleName="Plain")["Role"]
        self.assertEqual(role["Path"], "/a/")
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        self.assertEqual(conditions(statement), {"ArnEquals": {"aws:PrincipalArn": [self.scanner["RoleArn"]]}})

    def test_the_templates_have_what_the_program_prints_now(self):
        script = template.INFRA / "policies.py"
        done = subprocess.run([sys.executable, script, UPRIGHT, "--check"], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_the_key_is_rotated_and_the_account_decides_over_it(self):
        kms, key = self.aws.client("kms"), self.scanner["KeyArn"]
        self.assertIs(kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"], True)
        policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
        people = [s["Principal"]["AWS"] for s in policy["Statement"] if "AWS" in s["Principal"]]
        self.assertEqual(people, [f"arn:aws:iam::{ACCOUNT}:root"])
        for statement in policy["Statement"]:
            self.assertTrue("AWS" in statement["Principal"] or statement.get("Condition"), statement["Sid"])

    def test_buckets_are_versioned_and_closed(self):
        s3 = self.aws.client("s3")
        for bucket in (self.scanner["ArchiveBucket"], self.athena["ResultsBucket"]):
            self.assertEqual(s3.get_bucket_versioning(Bucket=bucket)["Status"], "Enabled")
            block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
            self.assertEqual((len(block), set(block.values())), (4, {True}))
            policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
            (statement,) = policy["Statement"]
            self.assertEqual((statement["Effect"], statement["Action"]), ("Deny", "s3:*"))
            self.assertEqual(statement["Resource"], [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"])

    def test_the_functions_find_their_configuration_and_log_to_their_groups(self):
        functions = self.aws.client("lambda")
        for name, timeout in (("upright-scan", 900), ("upright-watch", 120)):
            function = functions.get_function_configuration(FunctionName=name)
            self.assertEqual((function["Runtime"], function["Architectures"]), ("provided.al2023", ["arm64"]))
            self.assertEqual((function["Timeout"], function["Role"]), (timeout, self.scanner["RoleArn"]))
            self.assertEqual(function["LoggingConfig"]["LogFormat"], "JSON")
            variables = function["Environment"]["Variables"]
            self.assertEqual(variables["UPRIGHT_CONFIG"], f"s3://{self.scanner['ArchiveBucket']}/config/")
            self.assertEqual(variables["UPRIGHT_ARCHIVE"], self.scanner["ArchiveAddress"])
            given_up = functions.get_function_event_invoke_config(FunctionName=name, Qualifier="$LATEST")
            given_up = given_up["DestinationConfig"]
            self.assertTrue(given_up["OnFailure"]["Destination"].endswith("-failed"))

    def test_logs_end_and_are_encrypted(self):
        groups = {}
        for group in self.aws.client("logs").describe_log_groups()["logGroups"]:
            groups[group["logGroupName"]] = (group.get("retentionInDays"), group.get("kmsKeyId"))
        for name in ("/aws/lambda/upright-scan", "/aws/lambda/upright-watch", "/aws/vendedlogs/states/upright-fanout"):
            self.assertEqual(groups[name], (90, self.scanner["KeyArn"]), name)

    def test_changes_go_by_the_queue_to_the_function(self):
        events, sqs, let_in = self.aws.client("events"), self.aws.client("sqs"), []
        for stack, target in (("scanner", self.scanner["EventsQueueArn"]), ("member-events", self.scanner["BusArn"])):
            resources = template.load(stack)["Resources"]
            rules = [(name, r) for name, r in resources.items() if r["Type"] == "AWS::Events::Rule"]
            self.assertTrue(rules)
            for logical_id, resource in rules:
                name = self.physical(stack, logical_id)
                rule = events.describe_rule(Name=name)
                self.assertEqual(json.loads(rule["EventPattern"]), resource["Properties"]["EventPattern"])
                self.assertEqual(rule["State"], "ENABLED")
                if stack == "scanner":
                    let_in.append(rule["Arn"])
                (found,) = events.list_targets_by_rule(Rule=name)["Targets"]
                self.assertEqual(found["Arn"], target)

        url = self.physical("scanner", "Events")
        queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        redrive = json.loads(queue["RedrivePolicy"])
        given_up = f"arn:aws:sqs:{REGION}:{ACCOUNT}:upright-events-failed"
        self.assertEqual((redrive["deadLetterTargetArn"], int(redrive["maxReceiveCount"])), (given_up, 5))
        self.assertEqual((queue["VisibilityTimeout"], queue["SqsManagedSseEnabled"]), ("720", "true"))
        senders = {s["Sid"]: s for s in json.loads(queue["Policy"])["Statement"]}
        pattern = senders["Rules"]["Condition"]["ArnLike"]["aws:SourceArn"]
        self.assertTrue(all(fnmatch.fnmatchcase(arn, pattern) for arn in let_in), f"{let_in}: {pattern}")
        self.assertEqual(set(senders), {"Rules", "TrailFiles", "OnlyEncryptedConnections"})
        self.assertEqual(senders["TrailFiles"]["Condition"]["StringEquals"], {"aws:SourceAccount": "222233334444"})

        (source,) = self.aws.client("lambda").list_event_source_mappings(FunctionName="upright-watch")[
            "EventSourceMappings"
        ]
        self.assertEqual(source["EventSourceArn"], self.scanner["EventsQueueArn"])
        self.assertEqual(source["FunctionResponseTypes"], ["ReportBatchItemFailures"])
        self.assertEqual((source["BatchSize"], source["MaximumBatchingWindowInSeconds"]), (100, 5))

    def test_a_log_group_of_a_trail_may_invoke_the_function(self):
        (subscription,) = self.aws.client("logs").describe_subscription_filters(logGroupName="trail")[
            "subscriptionFilters"
        ]
        self.assertEqual(subscription["destinationArn"], self.scanner["WatchFunctionArn"])
        policy = json.loads(self.aws.client("lambda").get_policy(FunctionName="upright-watch")["Policy"])
        (statement,) = policy["Statement"]
        self.assertEqual(statement["Principal"], {"Service": "logs.amazonaws.com"})
        group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:trail:*"
        self.assertEqual(statement["Condition"]["ArnLike"]["AWS:SourceArn"], group)

    def test_the_schedules_start_a_scan_and_a_run(self):
        schedules = self.aws.client("scheduler")
        scan = schedules.get_schedule(Name=self.physical("scanner", "Scan"))
        self.assertEqual(scan["ScheduleExpression"], "cron(30 2 * * ? *)")
        self.assertEqual(scan["Target"]["Arn"], self.scanner["ScanFunctionArn"])
        self.assertEqual(sorted(json.loads(scan["Target"]["Input"])), ["task", "time"])
        run = schedules.get_schedule(Name=self.physical("fanout", "Run"))
        self.assertEqual(run["Target"]["Arn"], self.fanout["MachineArn"])

    def test_alarms_tell_the_topic_and_absence_is_one(self):
        alarms = {}
        for page in self.aws.client("cloudwatch").get_paginator("describe_alarms").paginate():
            alarms.update({alarm["AlarmName"]: alarm for alarm in page["MetricAlarms"]})
        for alarm in alarms.values():
            self.assertTrue(alarm["AlarmActions"], alarm["AlarmName"])
        absence = alarms[self.physical("scanner", "NoSuccess")]
        self.assertEqual((absence["Period"], absence["EvaluationPeriods"]), (3600, 26))
        self.assertEqual((absence["TreatMissingData"], absence["MetricName"]), ("breaching", "RunsSucceeded"))
        (counted,) = self.aws.client("logs").describe_metric_filters(logGroupName="/aws/lambda/upright-scan")[
            "metricFilters"
        ]
        (number,) = counted["metricTransformations"]
        self.assertEqual(
            (number["metricNamespace"], number["metricName"]), (absence["Namespace"], absence["MetricName"])
        )

    def test_the_state_machine_calls_the_function_and_may_do_no_more(self):
        machine = self.aws.client("stepfunctions").describe_state_machine(stateMachineArn=self.fanout["MachineArn"])
        states = json.loads(machine["definition"])["States"]
        self.assertEqual(states["Plan"]["Parameters"]["FunctionName"], self.scanner["ScanFunctionArn"])
        self.assertEqual(states["ScanAccounts"]["MaxConcurrency"], 7)
        self.assertEqual(machine["encryptionConfiguration"]["kmsKeyId"], self.scanner["KeyArn"])
        allowed = self.allowed(machine["roleArn"].split("/")[-1])["run"]
        on = {action: resource for action, resource, _ in meaning(allowed)}
        self.assertEqual(on["lambda:InvokeFunction"], self.scanner["ScanFunctionArn"])
        self.assertEqual(on["states:StartExecution"], self.fanout["MachineArn"])
        self.assertEqual(on["s3:GetObject"], f"arn:aws:s3:::{self.scanner['ArchiveBucket']}/upright/*")
        everywhere = {action for action, resource, _ in meaning(allowed) if resource == "*"}
        self.assertTrue(all(action.startswith("logs:") for action in everywhere), everywhere)

    def test_athena_finds_the_table_and_keeps_results_encrypted(self):
        table = self.aws.client("glue").get_table(DatabaseName="upright", Name="upright_findings")["Table"]
        place = f"s3://{self.scanner['ArchiveBucket']}/upright/findings/"
        self.assertEqual(table["StorageDescriptor"]["Location"], place)
        self.assertEqual(table["Parameters"]["storage.location.template"], place + "day=${day}/")
        group = self.aws.client("athena").get_work_group(WorkGroup="upright")["WorkGroup"]["Configuration"]
        self.assertIs(group["EnforceWorkGroupConfiguration"], True)
        encryption = group["ResultConfiguration"]["EncryptionConfiguration"]
        self.assertEqual(encryption, {"EncryptionOption": "SSE_KMS", "KmsKey": self.scanner["KeyArn"]})


class Patterns(unittest.TestCase):
    """What EventBridge lets through is what the program can use."""

    def test_the_rules_have_what_the_program_prints_now(self):
        printed = subprocess.run([UPRIGHT, "events", "pattern", "--json"], capture_output=True, text=True, check=False)
        self.assertEqual(printed.returncode, 0, printed.stderr)
        script = [sys.executable, template.INFRA / "patterns.py", "--check"]
        done = subprocess.run(script, input=printed.stdout, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class Encryption(unittest.TestCase):
    """What ministack forgets, on moto, which does not know all resources of the template."""

    def test_the_archive_and_the_topic_are_encrypted_with_the_key(self):
        server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
        server.start()
        self.addCleanup(server.stop)
        body = template.load("scanner")
        body["Resources"] = {name: body["Resources"][name] for name in ("Archive", "Topic")}
        body["Outputs"] = {name: body["Outputs"][name] for name in ("ArchiveBucket", "TopicArn")}
        # It takes an empty list for a text.
        conditions_used = ("HasArchiveBucketName", "LogsAccess", "MakesKey")
        body["Conditions"] = {name: body["Conditions"][name] for name in conditions_used}
        _, port = server.get_host_and_port()
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)

        def client(service):
            return session.client(service, endpoint_url=f"http://127.0.0.1:{port}")

        stacks = client("cloudformation")
        key = client("kms").create_key()["KeyMetadata"]["Arn"]
        parameters = {"CodeBucket": "code", "ArchiveBucketName": "upright-archive", "KeyArn": key}
        stacks.create_stack(
            StackName="scanner",
            TemplateBody=json.dumps(body),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
        (made,) = stacks.describe_stacks(StackName="scanner")["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in made["Outputs"]}
        encryption = client("s3").get_bucket_encryption(Bucket="upright-archive")
        (rule,) = encryption["ServerSideEncryptionConfiguration"]["Rules"]
        by_default = rule["ApplyServerSideEncryptionByDefault"]
        self.assertEqual(by_default, {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key})
        topic = client("sns").get_topic_attributes(TopicArn=outputs["TopicArn"])["Attributes"]
        self.assertEqual(topic["KmsMasterKeyId"], key)


if __name__ == "__main__":
    unittest.main()
