#!/usr/bin/env python3
"""ministack on a free port of 127.0.0.1: the emulated AWS that runs Lambda functions and state machines.

From Python, with the environment of the tests, which has boto3:

    with Ministack() as aws:
        aws.client("lambda").list_functions()

From anything else: started as a program it prints one line of JSON, `{"port": …, "endpoint": …, "account": …}`, when
it answers, and stops when its standard input is closed.

Waits of state machines, those between attempts included, take no time. It has an environment of its own in
`.venv/ministack`, which `make venv` makes. Nothing is written outside a temporary directory. It runs functions of
`provided.al2023` as well, whose zip holds a `bootstrap` for this machine.
"""

import io
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile

import boto3
from botocore.config import Config
from botocore.exceptions import WaiterError

PROJECT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = PROJECT / ".venv/ministack/bin/python"
ACCOUNT = "111122223333"
REGION = "eu-west-1"
START_SECONDS = 60
PORTS_TRIED = 5


class NotStarted(Exception):
    """It did not start; the text has what it printed."""


class Ministack:
    """A running ministack, stopped at the end of `with`."""

    def __init__(self, **environment):
        """Variables of its environment beside those it needs."""
        self._more = environment
        self._process = None
        self.port = None

    def __enter__(self):
        if not PROGRAM.is_file():
            raise NotStarted(f"{PROGRAM} is missing; run `make venv`")
        self._directory = tempfile.TemporaryDirectory(prefix="ministack-")
        for _ in range(PORTS_TRIED):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
            self._spawn()
            if self._is_ready():
                return self
            # Another program was given the port in between.
            if "already in use" not in self.log():
                break
        text = self.log()
        self.__exit__()
        raise NotStarted(text)

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._directory.cleanup()

    def _spawn(self):
        home = self._directory.name
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
        environment = {
            **kept,
            "HOME": home,
            "TMPDIR": home,
            "S3_DATA_DIR": f"{home}/s3",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            "SFN_WAIT_SCALE": "0",
            **self._more,
        }
        with open(self._log, "w", encoding="utf-8") as output:
            self._process = subprocess.Popen(
                [str(PROGRAM), "-m", "ministack"],
                cwd=home,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _is_ready(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            # It says itself that it listens: whatever else answers at the port is not it.
            if f"Running on http://127.0.0.1:{self.port}" in self.log() and self._answers():
                return True
            time.sleep(0.05)
        return False

    def _answers(self):
        try:
            with urllib.request.urlopen(f"{self.endpoint}/_ministack/health", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    @property
    def _log(self):
        return pathlib.Path(self._directory.name, "ministack.log")

    @property
    def endpoint(self):
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def log(self):
        """What it has printed so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def client(self, service, account=ACCOUNT, region=REGION):
        """A client of boto3 in an account. It reads no files of the person who runs this."""
        session = boto3.Session(aws_access_key_id=account, aws_secret_access_key="test", region_name=region)
        config = Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}, read_timeout=300)
        return session.client(service, endpoint_url=self.endpoint, config=config)

    def deploy(self, stack, template, **parameters):
        """Makes a stack of a template, given as a value, and answers its outputs.

        The template goes through S3, as `aws cloudformation deploy --s3-bucket` sends it: in a request it may have no
        more than 51,200 bytes. A failure says which resource failed, and why.
        """
        s3, stacks = self.client("s3"), self.client("cloudformation")
        bucket = "templates"
        if bucket not in [found["Name"] for found in s3.list_buckets()["Buckets"]]:
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=bucket, Key=f"{stack}.json", Body=json.dumps(template).encode())
        stacks.create_stack(
            StackName=stack,
            TemplateURL=f"{self.endpoint}/{bucket}/{stack}.json",
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        waiter = stacks.get_waiter("stack_create_complete")
        try:
            waiter.wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        except WaiterError as error:
            events = stacks.describe_stack_events(StackName=stack)["StackEvents"]
            failed = [
                f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"
                for event in events
                if "FAILED" in event["ResourceStatus"]
            ]
            raise AssertionError(f"{stack}: {failed}") from error
        (made,) = stacks.describe_stacks(StackName=stack)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in made.get("Outputs", [])}

    def function(self, name, files, runtime="python3.11", handler="handler.handler", **variables):
        """Makes a function of files, as name → bytes, and answers its ARN."""
        made = self.client("lambda").create_function(
            FunctionName=name,
            Runtime=runtime,
            Handler=handler,
            Role=f"arn:aws:iam::{ACCOUNT}:role/function",
            Code={"ZipFile": zipped(files)},
            Timeout=60,
            Environment={"Variables": variables},
        )
        return made["FunctionArn"]


def zipped(files):
    """A zip of files that may be run, as name → bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def main():
    """Runs until standard input ends."""
    with Ministack() as aws:
        print(json.dumps({"port": aws.port, "endpoint": aws.endpoint, "account": ACCOUNT}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
