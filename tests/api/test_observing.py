"""What every request leaves: a trace, a line in the log, an entry in the audit, as the middleware sees it alone."""

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from api.audit.policy import entry_of, is_sensitive, is_write
from api.exchanges import NO_ROUTE, Exchange, exchange_of
from api.observing import Observation
from data.domain.audit import AuditEntry
from data.domain.identity import LOCAL_CALLER, ROLE_SCOPES, Caller, Role
from data.tables import utc_now

ANN = Caller("u1", "ann", Role.ADMIN, ROLE_SCOPES[Role.ADMIN], key_id="k1")
BOB = Caller("u2", "bob", Role.OPERATOR, ROLE_SCOPES[Role.OPERATOR])


class Recorder:
    def __init__(self) -> None:
        self.entries: list[tuple[AuditEntry, bool]] = []

    async def record(self, entry: AuditEntry, *, durable: bool) -> None:
        self.entries.append((entry, durable))


def run(app: Any, method: str = "POST", recorder: Recorder | None = None) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append({**message, "entries so far": len(recorder.entries) if recorder else 0})

    telemetry = SimpleNamespace(recorder=recorder) if recorder else None
    scope = {
        "type": "http",
        "method": method,
        "path": "/api/v1/jobs/j1/cancel",
        "headers": [],
        "client": ("10.0.0.7", 999),
        "state": {"request_id": "r1", "caller": BOB},
        "app": SimpleNamespace(state=SimpleNamespace(telemetry=telemetry)),
        "route": SimpleNamespace(path="/jobs/{job_id}/cancel"),
        "path_params": {"job_id": "j1"},
    }
    asyncio.run(Observation(app)(scope, receive, send))
    return sent


async def accepted(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 202, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("unexpected")


def test_a_write_is_recorded_before_its_answer_begins() -> None:
    recorder = Recorder()

    sent = run(accepted, recorder=recorder)

    [(entry, durable)] = recorder.entries
    assert (durable, sent[0]["entries so far"]) == (True, 1)
    assert (entry.user, entry.scope, entry.address, entry.request_id) == ("u2", "write", "10.0.0.7", "r1")
    assert (entry.route, entry.resource, entry.status) == ("/api/v1/jobs/{job_id}/cancel", "j1", 202)
    assert dict(sent[0]["headers"])[b"x-trace-id"].decode() == entry.trace_id


def test_a_write_that_broke_is_recorded_too() -> None:
    recorder = Recorder()

    with pytest.raises(RuntimeError):
        run(broken, recorder=recorder)

    assert [(entry.status, durable) for entry, durable in recorder.entries] == [(500, True)]


def test_what_people_read_of_their_own_is_not_recorded() -> None:
    recorder = Recorder()

    run(accepted, "GET", recorder)

    assert recorder.entries == []


def test_each_request_is_one_line_with_what_it_is_about(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "api.access"):
        run(accepted)

    [line] = [each for each in caplog.records if each.name == "api.access"]
    facts = vars(line)
    assert (facts["job_id"], facts["user"], facts["status"]) == ("j1", "u2", 202)
    assert facts["route"] == "/api/v1/jobs/{job_id}/cancel"


def call(method: str, status: int, caller: Caller | None, route: str = "/jobs/{job_id}") -> Exchange:
    scope = {
        "method": method,
        "path": "/api/v1/jobs/7",
        "state": {"caller": caller},
        "route": SimpleNamespace(path=route),
    }
    return exchange_of(scope, status, None, utc_now(), 0.01, None)


@pytest.mark.parametrize(
    ("exchange", "sensitive"),
    [
        (call("POST", 202, BOB), True),
        (call("DELETE", 404, BOB), True),
        (call("GET", 200, BOB), False),
        (call("GET", 403, BOB), True),
        (call("GET", 401, None), True),
        (call("GET", 200, ANN), True),
        (call("GET", 200, None), False),
        (call("GET", 200, LOCAL_CALLER), False),
        (call("POST", 202, LOCAL_CALLER), True),
        (call("GET", 200, BOB, "/auth/me"), True),
        (call("GET", 200, BOB, "/api-keys"), True),
    ],
)
def test_which_calls_are_sensitive(exchange: Exchange, sensitive: bool) -> None:
    assert is_sensitive(exchange) is sensitive


def test_who_used_which_key_is_in_the_entry() -> None:
    entry = entry_of(call("GET", 200, ANN))

    assert (entry.user, entry.key, entry.scope) == ("u1", "k1", "read")


def test_what_a_stranger_posts_to_nowhere_changes_nothing() -> None:
    scope = {"method": "POST", "path": "/wp-login.php", "state": {}}
    exchange = exchange_of(scope, 404, None, utc_now(), 0.01, None)

    assert exchange.route == NO_ROUTE
    assert not is_write(exchange)
    assert not is_sensitive(exchange)
