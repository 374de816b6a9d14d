#!/usr/bin/env python3
"""A program for `provided.al2023` that does nothing itself: it forwards each event, and answers what it is answered.

What listens is the test, whose address is put in place of FORWARD_TO. It speaks the API of custom runtimes, as the real
program does: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import os
import urllib.error
import urllib.request

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation/"


def post(address, body):
    """The answer to a body."""
    with urllib.request.urlopen(urllib.request.Request(address, body), timeout=60) as answer:
        return answer.read()


while True:
    with urllib.request.urlopen(API + "next") as invocation:
        event, request = invocation.read(), invocation.headers["Lambda-Runtime-Aws-Request-Id"]
    try:
        post(f"{API}{request}/response", post("FORWARD_TO", event))
    except urllib.error.HTTPError as error:
        post(f"{API}{request}/error", error.read())
