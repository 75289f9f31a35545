"""A REST API that answers what it was told to: for the command line's tests."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Elsewhere:
    """An answer that sends the caller to another address."""

    address: str


@dataclass(frozen=True)
class Refused:
    """An answer that is none of those that were hoped for."""

    status: int
    document: Any


class PlayedApi:
    """An API that gives one answer after the other, the last one for ever, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.calls: list[tuple[str, str, bytes]] = []
        self.keys: list[str | None] = []
        """The API key of each call."""
        played = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                played.calls.append((self.command, self.path, body))
                played.keys.append(self.headers.get("X-API-Key"))
                answer = played.answers.pop(0) if len(played.answers) > 1 else played.answers[0]
                document = answer.document if isinstance(answer, Refused) else answer
                content = document if isinstance(document, bytes) else json.dumps(document, default=str).encode()
                if isinstance(answer, Elsewhere):
                    self.send_response(307)
                    self.send_header("Location", answer.address)
                else:
                    self.send_response(answer.status if isinstance(answer, Refused) else 200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@contextmanager
def played_api() -> Iterator[PlayedApi]:
    """Serve one while the block runs."""
    played = PlayedApi()
    threading.Thread(target=played.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield played
    finally:
        played.server.shutdown()
        played.server.server_close()
