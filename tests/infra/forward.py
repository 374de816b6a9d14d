"""A Lambda function that does nothing itself: it forwards the event, and answers what it is answered.

What listens at FORWARD_TO is the test, so that it sees every task of the state machine, and may have the real program do
it. An answer other than 200 is an error of the function, as a crash would be.
"""

import json
import os
import urllib.error
import urllib.request


class Failed(Exception):
    """What listens said that it failed."""


def handler(event, _context):
    """Forwards."""
    request = urllib.request.Request(
        os.environ["FORWARD_TO"], json.dumps(event).encode(), {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=50) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Failed(error.read().decode()) from error
