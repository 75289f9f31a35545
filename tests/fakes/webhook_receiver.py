"""A receiver of webhooks, as a customer writes one: verifies by the library, and answers as it is told to."""

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

Reply = Callable[["Hook"], int]


@dataclass(frozen=True)
class Hook:
    """What was received and found genuine."""

    id: str
    path: str
    signatures: int
    body: dict[str, Any]
    traceparent: str = ""

    @property
    def type(self) -> str:
        return str(self.body["type"])

    @property
    def data(self) -> dict[str, Any]:
        return dict(self.body["data"])


def taken(_: Hook) -> int:
    """Take everything."""
    return 204


@dataclass
class Receiver:
    """What was received; lives as long as a test. It can die, and come back under its address."""

    secret: str
    reply: Reply = taken
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b""
    hooks: list[Hook] = field(default_factory=list)
    """All that was genuine and was taken, in order."""
    refused: list[Hook] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _server: ThreadingHTTPServer | None = None
    _port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/hook"

    def start(self) -> None:
        self._server = _Server(("127.0.0.1", self._port), _handler(self))
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def die(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def of(self, subject: str) -> list[Hook]:
        """Return what was taken about a job, each event once, in the order of its first coming."""
        with self._lock:
            hooks = [hook for hook in self.hooks if subject in hook.data.values()]
        return list({hook.id: hook for hook in hooks}.values())

    def receive(self, hook: Hook) -> int:
        with self._lock:
            status = self.reply(hook)
            (self.hooks if 200 <= status < 300 else self.refused).append(hook)
        return status


def half_of_the_time(seed: int) -> Reply:
    """Fail at random."""
    chance = random.Random(seed)
    return lambda _: 200 if chance.random() < 0.5 else 500


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """A sender that is killed in the middle of a call is nothing to complain about."""


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            Webhook(receiver.secret).verify(body, dict(self.headers.items()))
            signatures = len(self.headers["webhook-signature"].split(" "))
            traceparent = self.headers.get("traceparent", "")
            hook = Hook(self.headers["webhook-id"], self.path, signatures, json.loads(body), traceparent)
            self.send_response(receiver.receive(hook))
            for name, value in receiver.answer_headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(receiver.answer)))
            self.end_headers()
            self.wfile.write(receiver.answer)

        def log_message(self, *args: object) -> None:
            """Keep the test's output clean."""

    return Handler


@contextmanager
def receiving(secret: str, reply: Reply = taken) -> Iterator[Receiver]:
    """Serve a receiver on a free local port."""
    receiver = Receiver(secret, reply)
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.die()
