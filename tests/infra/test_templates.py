"""What holds in every template, whatever its parameters are."""

import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import template

# Types that have no tags in CloudFormation, or of which a tag says nothing.
UNTAGGED = {
    "AWS::Events::EventBusPolicy",
    "AWS::Events::Rule",
    "AWS::Glue::Database",
    "AWS::Glue::Table",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Permission",
    "AWS::Logs::MetricFilter",
    "AWS::Logs::SubscriptionFilter",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Scheduler::Schedule",
}
# Actions with `*` as resource that AWS narrows to no resource, and reads of what is not known before it is found.
# https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html, https://docs.aws.amazon.com/xray/latest/devguide/
ON_EVERYTHING = re.compile(
    r"logs:(Create|Delete|Get|List|Update)LogDeliver(y|ies)|logs:PutResourcePolicy|logs:DescribeResourcePolicies"
    r"|xray:Put\w+|[a-z0-9-]+:(Describe|Get|List)\w*|iam:GenerateCredentialReport"
)

RESOURCE_POLICIES = ("AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy")


def role_documents():
    """(where, document) of everything that a role is allowed."""
    for name, logical_id, properties in template.resources("AWS::IAM::Role"):
        for policy in properties.get("Policies", []):
            yield f"{name} {logical_id} {policy['PolicyName']}", policy["PolicyDocument"]
    for name, logical_id, properties in template.resources("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        yield f"{name} {logical_id}", properties["PolicyDocument"]


class Templates(unittest.TestCase):
    """Own rules, beside those of cfn-lint."""

    def test_cfn_lint_says_nothing(self):
        lint = Path(sys.executable).with_name("cfn-lint")
        paths = [str(template.path(name)) for name in template.NAMES]
        done = subprocess.run([str(lint), *paths], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_all_templates_are_looked_at(self):
        found = {path.stem for path in template.INFRA.glob("*.yaml")} - {"prometheus-alerts"}
        self.assertEqual(found, set(template.NAMES))

    def test_templates_are_plain_and_small_enough(self):
        for name in template.NAMES:
            body = template.path(name).read_bytes()
            # CloudFormation keeps descriptions in ASCII, and takes templates of a megabyte.
            self.assertTrue(body.isascii(), name)
            self.assertLess(len(body), 1_000_000, name)
            if name.startswith("member"):
                self.assertLess(len(body), 51_200, f"{name} goes in the request of a StackSet")

    def test_buckets_are_encrypted_versioned_and_closed(self):
        buckets = list(template.resources("AWS::S3::Bucket"))
        self.assertGreaterEqual(len(buckets), 2)
        policies = {json.dumps(p["Bucket"]): p for _, _, p in template.resources("AWS::S3::BucketPolicy")}
        for name, logical_id, bucket in buckets:
            with self.subTest(f"{name} {logical_id}"):
                (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
                self.assertEqual(rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"], "aws:kms")
                self.assertTrue(rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"])
                self.assertEqual(bucket["VersioningConfiguration"], {"Status": "Enabled"})
                blocks = bucket["PublicAccessBlockConfiguration"]
                self.assertEqual((len(blocks), set(blocks.values())), (4, {True}))
                owners = bucket["OwnershipControls"]["Rules"]
                self.assertEqual(owners, [{"ObjectOwnership": "BucketOwnerEnforced"}])
                self.assertTrue(bucket["LifecycleConfiguration"]["Rules"][0]["NoncurrentVersionExpiration"])
                denied = policies[json.dumps({"Ref": logical_id})]["PolicyDocument"]["Statement"][0]
                self.assertEqual((denied["Effect"], denied["Principal"], denied["Action"]), ("Deny", "*", "s3:*"))
                self.assertEqual(denied["Condition"], {"Bool": {"aws:SecureTransport": "false"}})

    def test_what_was_kept_outlives_its_stack(self):
        for logical_id in ("Archive", "Key"):
            resource = template.load("scanner")["Resources"][logical_id]
            self.assertEqual((resource["DeletionPolicy"], resource["UpdateReplacePolicy"]), ("Retain", "Retain"))

    def test_queues_and_topics_are_encrypted_and_refuse_connections_that_are_not(self):
        queues = list(template.resources("AWS::SQS::Queue"))
        topics = list(template.resources("AWS::SNS::Topic"))
        self.assertGreaterEqual((len(queues), len(topics)), (4, 1))
        in_clear = {"Bool": {"aws:SecureTransport": "false"}}
        refusing = {
            reference["Ref"]
            for _, _, policy in template.resources("AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy")
            for reference in policy.get("Queues", []) + policy.get("Topics", [])
            if any(
                s["Effect"] == "Deny" and s["Condition"] == in_clear
                for s in template.statements(policy["PolicyDocument"])
            )
        }
        for name, logical_id, queue in queues:
            self.assertIs(queue.get("SqsManagedSseEnabled"), True, f"{name} {logical_id}")
        for name, logical_id, topic in topics:
            self.assertTrue(topic.get("KmsMasterKeyId"), f"{name} {logical_id}")
        self.assertEqual(refusing, {logical_id for _, logical_id, _ in queues + topics})

    def test_logs_are_encrypted_and_end(self):
        groups = list(template.resources("AWS::Logs::LogGroup"))
        self.assertGreaterEqual(len(groups), 3)
        for name, logical_id, group in groups:
            self.assertTrue(group.get("RetentionInDays") and group.get("KmsKeyId"), f"{name} {logical_id}")

    def test_functions_log_where_a_group_of_the_template_is(self):
        functions = list(template.resources("AWS::Lambda::Function"))
        self.assertEqual(len(functions), 2)
        for name, logical_id, function in functions:
            group = template.load(name)["Resources"][function["LoggingConfig"]["LogGroup"]["Ref"]]
            self.assertEqual(group["Type"], "AWS::Logs::LogGroup", logical_id)

    def test_a_message_comes_back_only_after_its_function_could_have_ended(self):
        resources = template.load("scanner")["Resources"]
        timeout = resources["WatchFunction"]["Properties"]["Timeout"]
        self.assertGreaterEqual(resources["Events"]["Properties"]["VisibilityTimeout"], 6 * timeout)
        self.assertEqual(
            resources["EventSource"]["Properties"]["FunctionResponseTypes"], ["ReportBatchItemFailures"]
        )

    def test_no_role_may_do_everything(self):
        documents = list(role_documents())
        self.assertGreaterEqual(len(documents), 8)
        for where, document in documents:
            for statement in template.statements(document):
                self.assertEqual(statement["Effect"], "Allow", where)
                for action in template.listed(statement["Action"]):
                    self.assertNotIn("*", action, where)
                    if "*" in template.listed(statement["Resource"]):
                        self.assertRegex(action, ON_EVERYTHING, where)

    def test_what_everybody_is_allowed_has_a_condition(self):
        policies = [p["PolicyDocument"] for _, _, p in template.resources(*RESOURCE_POLICIES)]
        policies += [{"Statement": [p["Statement"]]} for _, _, p in template.resources("AWS::Events::EventBusPolicy")]
        policies += [p["KeyPolicy"] for _, _, p in template.resources("AWS::KMS::Key")]
        self.assertGreaterEqual(len(policies), 7)
        for policy in policies:
            for statement in template.statements(policy):
                is_account = "AWS" in statement["Principal"]
                self.assertTrue(is_account or statement.get("Condition"), statement)

    def test_roles_are_assumed_by_one_service_or_one_role(self):
        for name, logical_id, role in template.resources("AWS::IAM::Role"):
            (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
            self.assertEqual(statement["Action"], "sts:AssumeRole")
            ((kind, who),) = statement["Principal"].items()
            if kind == "AWS":
                self.assertEqual((name, list(statement["Condition"])[0]), ("member-role", "ArnEquals"))
            else:
                self.assertRegex(who, r"^[a-z]+\.amazonaws\.com$", logical_id)

    def test_remediation_is_off_unless_it_is_named(self):
        scanner = template.load("scanner")
        writes = ("ssm:StartAutomationExecution", "iam:PassRole", "lambda:InvokeFunction")
        policy = scanner["Resources"]["RemediationPolicy"]
        self.assertEqual(policy["Condition"], "Remediates")
        granted = [s["Action"] for s in template.statements(policy["Properties"]["PolicyDocument"])]
        self.assertEqual(sorted(granted), sorted(writes))
        for name in ("RemediationDocumentArns", "RemediationRoleArns", "RemediationFunctionArns"):
            self.assertEqual(scanner["Parameters"][name]["Default"], "")
        for where, document in role_documents():
            if where.startswith(("scanner FunctionRole", "scanner ReadPolicy", "scanner KeepPolicy")):
                for statement in template.statements(document):
                    self.assertFalse(set(writes) & set(template.listed(statement["Action"])), where)

    def test_what_can_have_tags_has_one(self):
        for name in template.NAMES:
            for logical_id, resource in template.load(name)["Resources"].items():
                if resource["Type"] not in UNTAGGED:
                    keys = [tag["Key"] for tag in resource["Properties"].get("Tags", [])]
                    self.assertIn("application", keys, f"{name} {logical_id}")

    def test_each_role_takes_the_boundary(self):
        for name, logical_id, role in template.resources("AWS::IAM::Role"):
            self.assertEqual(role["PermissionsBoundary"]["Fn::If"][0], "HasBoundary", f"{name} {logical_id}")

    def test_every_alarm_tells_the_topic(self):
        alarms = list(template.resources("AWS::CloudWatch::Alarm"))
        watched = {alarm["MetricName"] for _, _, alarm in alarms}
        expected = {"Errors", "Throttles", "Duration", "RunsSucceeded", "ApproximateNumberOfMessagesVisible"}
        self.assertLessEqual(expected, watched)
        for name, logical_id, alarm in alarms:
            self.assertTrue(alarm["AlarmActions"], f"{name} {logical_id}")
            is_absence = alarm["MetricName"] == "RunsSucceeded"
            self.assertEqual(alarm["TreatMissingData"], "breaching" if is_absence else "notBreaching")

    def test_durations_are_below_the_time_out_they_warn_of(self):
        resources = template.load("scanner")["Resources"]
        for alarm, function in (("ScanSlow", "ScanFunction"), ("WatchSlow", "WatchFunction")):
            limit = resources[function]["Properties"]["Timeout"] * 1000
            self.assertTrue(0.8 * limit < resources[alarm]["Properties"]["Threshold"] < limit, alarm)

    def test_the_table_is_that_of_the_sql_file(self):
        sql = (template.INFRA / "athena-findings.sql").read_text(encoding="utf-8")
        columns = re.search(r"upright_findings \((.*?)\n\)", sql, re.DOTALL)[1]
        written = [tuple(line.rstrip(",").split()) for line in columns.strip().splitlines()]
        table = template.load("athena")["Resources"]["Findings"]["Properties"]["TableInput"]
        made = [(column["Name"], column["Type"]) for column in table["StorageDescriptor"]["Columns"]]
        self.assertEqual(made, written)
        for name, value in re.findall(r"'(projection\.[a-z.]+)'\s*=\s*'([^']*)'", sql):
            if name != "projection.day.range":
                self.assertEqual(table["Parameters"][name], value)

    def test_the_state_machine_is_one(self):
        fanout = template.load("fanout")
        machine = fanout["Resources"]["Machine"]["Properties"]
        text = machine.pop("DefinitionString")
        for name, value in machine.pop("DefinitionSubstitutions").items():
            parameter = value["Ref"]
            default = fanout["Parameters"].get(parameter, {}).get("Default")
            stand_in = {"FunctionArn": "arn:aws:lambda:eu-west-1:111122223333:function:f"}.get(parameter, "aws")
            text = text.replace("${" + name + "}", str(stand_in if default is None else default))
        machine["Definition"] = json.loads(text)
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "fanout.json")
            path.write_text(json.dumps(fanout), encoding="utf-8")
            lint = Path(sys.executable).with_name("cfn-lint")
            # Without its substitutions parameters are unused; all else counts.
            command = [str(lint), "--ignore-checks", "W2001", "--", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        self.walk(machine["Definition"])
        scan = machine["Definition"]["States"]["ScanAccounts"]
        self.assertIsInstance(scan["MaxConcurrency"], int)
        self.assertEqual(scan["ToleratedFailurePercentage"], 10)
        # It never ends without finishing, or telling.
        self.assertEqual([catch["Next"] for catch in scan["Catch"]], ["Finish"])

    def walk(self, machine):
        """Every state is there, is reached, and leads on or ends: cfn-lint does not look at that."""
        states = machine["States"]
        reached, waiting = set(), [machine["StartAt"]]
        while waiting:
            name = waiting.pop()
            self.assertIn(name, states)
            if name in reached:
                continue
            reached.add(name)
            state = states[name]
            following = [state[key] for key in ("Next", "Default") if key in state]
            following += [branch["Next"] for branch in state.get("Choices", []) + state.get("Catch", [])]
            is_end = state.get("End") or state["Type"] in ("Succeed", "Fail")
            self.assertNotEqual(bool(following), bool(is_end), name)
            waiting += following
            if "ItemProcessor" in state:
                self.walk(state["ItemProcessor"])
        self.assertEqual(reached, set(states))

    def test_patterns_fit_and_ask_for_changes_only(self):
        rules = list(template.resources("AWS::Events::Rule"))
        patterns = {}
        for name, logical_id, rule in rules:
            pattern = rule["EventPattern"]
            self.assertLessEqual(len(json.dumps(pattern, separators=(",", ":"))), 4096, logical_id)
            self.assertTrue(pattern.get("source") or pattern.get("detail-type"), logical_id)
            patterns.setdefault(name, []).append(pattern)
        self.assertEqual(set(patterns), {"scanner", "member-events"})
        self.assertEqual(patterns["scanner"], patterns["member-events"])


if __name__ == "__main__":
    unittest.main()
