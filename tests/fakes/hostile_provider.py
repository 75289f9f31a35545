"""A provider of generations as bad as they get: a real HTTP server with seeded mishaps, that counts what it charges.

:class:`HostileProvider` is the server; :func:`create` makes the client, an engine like any other (``engine`` is this
module's dotted path in the settings). The server lives in the test's process, the clients in any number of others.
"""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from data.domain.errors import (
    AnswerLostError,
    DownloadFailedError,
    GenerationFailedError,
    GenerationRefusedError,
    GenerationRejectedError,
    ProviderBusyError,
    ProviderUnavailableError,
)
from data.domain.generations import Capability, GenerationRequest
from tasks.providers.base import (
    MadeMedia,
    ProviderConfig,
    ProviderProfile,
    References,
    RemoteState,
    RemoteStatus,
)

TIMEOUT_SECONDS = 1.0


@dataclass
class Made:
    """One generation as the server knows it."""

    id: str
    key: str
    prompt: str
    fate: str
    polls: int = 0


@dataclass
class Mishaps:
    """How often what goes wrong, as shares of the calls; the rest goes well."""

    submit: Mapping[str, float] = field(default_factory=dict)
    """``429``, ``500`` (nothing accepted); ``lost``, ``timeout``, ``nonsense`` (accepted, and not said)."""
    poll: Mapping[str, float] = field(default_factory=dict)
    """``429``, ``500``, ``nonsense``."""
    download: Mapping[str, float] = field(default_factory=dict)
    """``500``, ``broken``, ``text``."""
    polls_needed: int = 2


class HostileProvider:
    """The server. What a prompt begins with decides a generation's fate: ``refuse``, ``reject``, ``fail``, ``never``.

    Args:
        video: What it gives for every prompt.
        seed: Of its mishaps.
        honours_keys: Whether the same key gives the generation of the first time.
    """

    def __init__(self, video: bytes, seed: int = 1, *, honours_keys: bool = True) -> None:
        self.mishaps = Mishaps()
        self.is_down = False
        self.script: list[str] = []
        """Mishaps of the next submits, one each, before chance takes over; ``""`` goes well."""
        self.charges: Counter[str] = Counter()
        """How often each idempotency key was charged."""
        self.charged_prompts: Counter[str] = Counter()
        self.cancelled: list[str] = []
        self.calls: Counter[str] = Counter()
        self.made: dict[str, Made] = {}
        self._video = video
        self._random = random.Random(seed)
        self._honours_keys = honours_keys
        self._lock = threading.Lock()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or b"{}")
                provider.handle(self, "POST", body)

            def do_GET(self) -> None:
                provider.handle(self, "GET", {})

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator["HostileProvider"]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def handle(self, http: BaseHTTPRequestHandler, method: str, body: dict[str, Any]) -> None:
        what, _, rest = http.path.strip("/").partition("/")
        self.calls[what] += 1
        try:
            if self.is_down:
                _answer(http, 503, {"error": "down"})
            elif what == "generations" and method == "POST":
                self._submit(http, body)
            elif what == "cancel":
                self.cancelled.append(rest)
                _answer(http, 200, {})
            elif what == "keys":
                _answer(http, 200, {"id": next((each.id for each in self.made.values() if each.key == rest), None)})
            elif what == "generations":
                self._poll(http, rest)
            elif what == "results":
                self._download(http)
            else:
                _answer(http, 200, {"ready": True})
        except OSError:  # the client was killed, or has waited long enough
            http.close_connection = True

    def _submit(self, http: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        mishap = self.script.pop(0) if self.script else self._mishap(self.mishaps.submit)
        prompt, key = str(body["prompt"]), str(body["key"])
        if mishap in ("429", "500"):
            _answer(http, int(mishap), {"error": mishap}, {"Retry-After": "0.05"})
            return
        if prompt.startswith(("refuse", "reject")):
            _answer(http, 451 if prompt.startswith("refuse") else 422, {"error": "not this"})
            return
        accepted = self._accept(prompt, key)
        if mishap == "lost":
            http.close_connection = True
            http.connection.close()
        elif mishap == "timeout":
            time.sleep(TIMEOUT_SECONDS * 1.3)
            _answer(http, 200, {"id": accepted.id})
        elif mishap == "nonsense":
            _answer(http, 200, b'{"id": ')
        else:
            _answer(http, 200, {"id": accepted.id})

    def _accept(self, prompt: str, key: str) -> Made:
        with self._lock:
            known = next((each for each in self.made.values() if each.key == key), None)
            if known is not None and self._honours_keys:
                return known
            made = Made(f"made-{len(self.made)}", key, prompt, prompt.split()[0])
            self.made[made.id] = made
            self.charges[key] += 1
            self.charged_prompts[prompt] += 1
            return made

    def _poll(self, http: BaseHTTPRequestHandler, generation: str) -> None:
        mishap = self._mishap(self.mishaps.poll)
        if mishap in ("429", "500"):
            _answer(http, int(mishap), {"error": mishap}, {"Retry-After": "0.05"})
            return
        if mishap == "nonsense":
            _answer(http, 200, b"<html>")
            return
        made = self.made[generation]
        made.polls += 1
        is_done = made.polls >= self.mishaps.polls_needed
        if made.fate == "never" or not is_done:
            _answer(http, 200, {"state": "running", "progress": 0.5})
        elif made.fate == "fail":
            _answer(http, 200, {"state": "failed"})
        elif made.fate == "censor":
            _answer(http, 200, {"state": "refused"})
        else:
            _answer(http, 200, {"state": "finished"})

    def _download(self, http: BaseHTTPRequestHandler) -> None:
        mishap = self._mishap(self.mishaps.download)
        if mishap == "500":
            _answer(http, 500, {})
        elif mishap == "text":
            _answer(http, 200, b"this is no video")
        elif mishap == "broken":
            http.send_response(200)
            http.send_header("Content-Length", str(len(self._video)))
            http.end_headers()
            http.wfile.write(self._video[: len(self._video) // 2])
        else:
            _answer(http, 200, self._video)

    def _mishap(self, shares: Mapping[str, float]) -> str:
        with self._lock:
            left = self._random.random()
        for name, share in shares.items():
            left -= share
            if left < 0:
                return name
        return ""


def _answer(http: BaseHTTPRequestHandler, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    http.send_response(status)
    http.send_header("Content-Length", str(len(content)))
    for name, value in (headers or {}).items():
        http.send_header(name, value)
    http.end_headers()
    http.wfile.write(content)


class HostileClient:
    """The client: a small RemoteProvider that says what it knows, and does not guess."""

    def __init__(self, config: ProviderConfig) -> None:
        self.profile = ProviderProfile(
            name=config.name,
            engine=config.engine,
            capabilities=frozenset({Capability.TEXT_TO_VIDEO, Capability.CHAT}),
            limits=config.limits,
            price=config.price,
            takes_idempotency_keys=bool(config.options.get("keys", True)),
            can_look_up=bool(config.options.get("look_up", False)),
        )
        self._http = httpx.Client(base_url=config.url, timeout=TIMEOUT_SECONDS, verify=False)

    def check(self) -> None:
        self._said(self._call("GET", "/ready"))

    def submit(self, request: GenerationRequest, references: References, idempotency_key: str) -> str:
        body = {"prompt": request.prompt, "key": idempotency_key}
        try:
            answer = self._http.post("/generations", json=body)
        except httpx.ConnectError as error:
            raise ProviderUnavailableError("It is not there.") from error
        except httpx.HTTPError as error:
            raise AnswerLostError(f"It did not say: {type(error).__name__}.") from error
        _refusals(answer)
        try:
            return str(answer.json()["id"])
        except (ValueError, KeyError) as error:
            raise AnswerLostError("Its answer makes no sense.") from error

    def look_up(self, idempotency_key: str) -> str | None:
        found = self._said(self._call("GET", f"/keys/{idempotency_key}"))["id"]
        return None if found is None else str(found)

    def poll(self, provider_id: str) -> RemoteStatus:
        said = self._said(self._call("GET", f"/generations/{provider_id}"))
        if said["state"] == "failed":
            raise GenerationFailedError("It failed there.")
        if said["state"] == "refused":
            raise GenerationRefusedError("They do not like what came of it.")
        return RemoteStatus(RemoteState(said["state"]), said.get("progress"))

    def download(self, provider_id: str, target: Path) -> MadeMedia:
        try:
            answer = self._http.get(f"/results/{provider_id}")
        except httpx.HTTPError as error:
            raise DownloadFailedError(f"It broke off: {type(error).__name__}.") from error
        if answer.status_code != 200:
            raise DownloadFailedError(f"It answers {answer.status_code}.")
        target.write_bytes(answer.content)
        return MadeMedia(target, {"model": "hostile-1"})

    def cancel(self, provider_id: str) -> None:
        self._call("POST", f"/cancel/{provider_id}", json={})

    def _call(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise ProviderUnavailableError(f"It does not answer: {type(error).__name__}.") from error
        _refusals(answer)
        return answer

    def _said(self, answer: httpx.Response) -> dict[str, Any]:
        try:
            return dict(answer.json())
        except ValueError as error:
            raise ProviderUnavailableError("Its answer makes no sense.") from error


def _refusals(answer: httpx.Response) -> None:
    status = answer.status_code
    if status == 429:
        raise ProviderBusyError("Patience.", {"retry_after_seconds": float(answer.headers.get("Retry-After", 1))})
    if status == 451:
        raise GenerationRefusedError("Their policy forbids it.")
    if status == 422:
        raise GenerationRejectedError("They do not take this.")
    if status >= 500:
        raise ProviderUnavailableError(f"It answers {status}.")


def create(config: ProviderConfig) -> HostileClient:
    """Make the client, as every engine does."""
    return HostileClient(config)
