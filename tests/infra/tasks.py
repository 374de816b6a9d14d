"""Where what functions are asked arrives: a server of the test."""

import http.server
import json
import threading


class Tasks(http.server.ThreadingHTTPServer):
    """`answer` takes each event and says what comes back, or raises RuntimeError for a crash."""

    daemon_threads = True

    def __init__(self, answer):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.taken = []
        self.changed = threading.Condition()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}/"

    def stop(self):
        """Ends it."""
        self.shutdown()
        self.server_close()

    def wait_for(self, is_there, seconds=60):
        """Whether `is_there`, asked about what arrived, becomes true in time."""
        with self.changed:
            return self.changed.wait_for(lambda: is_there(self.taken), seconds)


class Handler(http.server.BaseHTTPRequestHandler):
    """One event."""

    def do_POST(self):
        """Takes it."""
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.changed:
            self.server.taken.append(event)
            self.server.changed.notify_all()
        try:
            status, body = 200, json.dumps(self.server.answer(event))
        except RuntimeError as error:
            status, body = 500, json.dumps({"errorType": "Crash", "errorMessage": str(error)})
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        """Nothing: what arrived is in `taken`."""
