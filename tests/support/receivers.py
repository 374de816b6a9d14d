"""Receivers of the tests of `notify`: a mail server and a web server on free ports of 127.0.0.1.

receivers.py DIR [--tls | --clear | --no-starttls] [--auth USER:PASSWORD] [--busy N] [--refuse ADDRESS] [--key KEY]

Prints one line of JSON when both listen: {"smtp": PORT, "http": PORT}. Writes into DIR the authority of its
certificate, ca.pem, and a file for each message that it took: mail-N.json, with what Python's own parser reads in
it, and hook-N.json, with whether the signature is right as Python's own hmac makes it. `--busy` answers the first N
messages of each kind with 451 and 503.
"""

import argparse
import asyncio
import email
import email.policy
import hashlib
import hmac
import http.server
import itertools
import json
import pathlib
import ssl
import threading

import trustme
from aiosmtpd.smtp import SMTP, AuthResult

options = argparse.ArgumentParser()
options.add_argument("dir", type=pathlib.Path)
options.add_argument("--tls", action="store_true")
options.add_argument("--clear", action="store_true")
options.add_argument("--no-starttls", action="store_true")
options.add_argument("--auth")
options.add_argument("--busy", type=int, default=0)
options.add_argument("--refuse", default="")
options.add_argument("--key", default="")
options = options.parse_args()

numbers = itertools.count(1)
busy = {"mail": options.busy, "hook": options.busy}


def is_busy(kind):
    busy[kind] -= 1
    return busy[kind] >= 0


def keep(kind, message):
    (options.dir / f"{kind}-{next(numbers)}.json").write_text(json.dumps(message))


def part_of(part):
    content = part.get_content()
    size = len(content if isinstance(content, bytes) else content.encode())
    text = content if isinstance(content, str) else ""
    return {"type": part.get_content_type(), "name": part.get_filename(), "size": size, "text": text}


class Mails:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address == options.refuse:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if is_busy("mail"):
            return "451 try again later"
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        keep("mail", {
            "to": envelope.rcpt_tos,
            "from": envelope.mail_from,
            "headers": [[name, str(value)] for name, value in message.items()],
            "parts": [part_of(part) for part in message.walk() if not part.is_multipart()],
            "tree": [part.get_content_type() for part in message.walk()],
            "is_encrypted": session.ssl is not None or options.tls,
            "user": session.auth_data.login.decode() if session.auth_data else None,
            "defects": [str(defect) for part in message.walk() for defect in part.defects],
            "raw": envelope.content.decode("latin-1"),
        })
        return "250 taken"


class Hooks(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/taken")
            self.end_headers()
            return
        if is_busy("hook"):
            self.send_error(503)
            return
        fields = dict(field.split("=") for field in self.headers.get("X-Upright-Signature", "t=,v1=").split(","))
        signed = fields["t"].encode() + b"." + body
        right = hmac.new(options.key.encode(), signed, hashlib.sha256).hexdigest()
        keep("hook", {
            "path": self.path,
            "is_signed": hmac.compare_digest(right, fields["v1"]),
            "headers": dict(self.headers.items()),
            "body": json.loads(body),
        })
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


def authenticate(server, session, envelope, mechanism, data):
    user, password = options.auth.encode().split(b":")
    is_right = (data.login, data.password) == (user, password)
    return AuthResult(success=is_right, handled=False, auth_data=data)


def main():
    authority = trustme.CA()
    authority.cert_pem.write_to_path(options.dir / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    keys = {"hostname": "localhost"}
    is_plain = options.clear or options.no_starttls
    if not (is_plain or options.tls):
        keys |= {"tls_context": context, "require_starttls": True}
    if options.auth:
        keys |= {"authenticator": authenticate, "auth_required": True}
        keys |= {"auth_require_tls": not (is_plain or options.tls)}
    loop = asyncio.new_event_loop()
    serving = loop.create_server(
        lambda: SMTP(Mails(), loop=loop, **keys), "127.0.0.1", 0, ssl=context if options.tls else None
    )
    smtp = loop.run_until_complete(serving).sockets[0].getsockname()[1]
    hooks = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hooks)
    threading.Thread(target=hooks.serve_forever, daemon=True).start()
    print(json.dumps({"smtp": smtp, "http": hooks.server_address[1]}), flush=True)
    loop.run_forever()


main()
