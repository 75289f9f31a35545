"""What happens around every request: its trace, its line in the log, its metrics, its entry in the audit.

Pure ASGI: streams are never buffered. The answer to what changed something begins once the audit has it.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from opentelemetry.trace import Span
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.audit.policy import entry_of, is_sensitive, is_write
from api.audit.recorder import AuditRecorder
from api.audit.upkeep import AuditUpkeep
from api.dependencies import Services
from api.exchanges import Exchange, exchange_of
from api.metrics.counters import IN_FLIGHT, count_request
from api.metrics.exposition import Exposition
from api.metrics.sharing import leave, shared_folder
from data.auditing import AuditTrail, Spool
from data.domain.jobs import one_line
from data.tables import utc_now
from data.telemetry.logs import bound, tell_whole
from data.telemetry.tracing import current_trace_id, request_span

CLIENT_WENT = 499
"""In place of a status, when the client went away before there was an answer."""

logger = logging.getLogger(__name__)
access_log = logging.getLogger("api.access")


@dataclass(frozen=True)
class Telemetry:
    """What observes the application while it serves."""

    trail: AuditTrail
    recorder: AuditRecorder
    exposition: Exposition
    works_on: bool = True
    """Whether what is begun goes on after an answer was sent; a Lambda function stands still then."""


@asynccontextmanager
async def open_telemetry(services: Services, *, collects: bool = True) -> AsyncIterator[Telemetry]:
    """Observe until the block is left; then everything that was recorded is written down.

    Args:
        services: The doors.
        collects: Follow what becomes of runs, too, which takes a process that stays.
    """
    settings, database = services.settings, services.database
    secret = settings.audit.key
    trail = AuditTrail(database, services.store, secret.get_secret_value().encode() if secret else None)
    recorder = AuditRecorder(trail, Spool(settings.home_path / "audit" / "spool.jsonl"))
    works: list[Callable[[], Coroutine[Any, Any, None]]] = [recorder.run]
    if collects:
        from api.audit.transitions import AuditSink  # with Prefect's client
        from api.collecting import Collector

        works.append(Collector(services.gateway, database, (AuditSink(trail, database),)).run)
        works.append(AuditUpkeep(trail, database, settings.audit.archive_days).run)
    tasks = [asyncio.create_task(work()) for work in works]
    for task in tasks:
        task.add_done_callback(_tell_of_end)
    try:
        yield Telemetry(trail, recorder, Exposition(services), works_on=collects)
    finally:
        trail.close()
        for task in reversed(tasks):  # the recorder last: it writes what is left
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await run_in_threadpool(_leave_metrics)


def _tell_of_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("A part of the service has ended that should not: %r", error, exc_info=error)


class Observation:
    """Observes each request; stands inside what gives it its id, and around everything else.

    Args:
        app: What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        with request_span(scope["method"], Headers(scope=scope)) as span, IN_FLIGHT.track_inprogress():
            state["trace_id"] = current_trace_id()
            with bound(request_id=state.get("request_id")):
                await self._observe(scope, receive, send, span)

    async def _observe(self, scope: Scope, receive: Receive, send: Send, span: Span) -> None:
        at, started = utc_now(), time.perf_counter()
        told: Exchange | None = None

        async def tell(status: int, location: str | None = None) -> None:
            nonlocal told
            seconds = time.perf_counter() - started
            told = exchange_of(scope, status, location, at, seconds, scope["state"]["trace_id"])
            await _record(scope, told)

        async def send_observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                await tell(message["status"], headers.get("Location"))
                headers.raw.append((b"x-trace-id", scope["state"]["trace_id"].encode()))
            await send(message)

        try:
            await self._app(scope, receive, send_observed)
        except BaseException as error:
            if told is None:
                is_gone = isinstance(error, ClientDisconnect | asyncio.CancelledError)
                await tell(CLIENT_WENT if is_gone else 500)
            raise
        finally:
            if told is not None:
                _finish(told, span, time.perf_counter() - started)


async def _record(scope: Scope, exchange: Exchange) -> None:
    telemetry: Telemetry | None = getattr(scope["app"].state, "telemetry", None) if "app" in scope else None
    if telemetry is not None and is_sensitive(exchange):
        durable = is_write(exchange) or not telemetry.works_on
        await telemetry.recorder.record(entry_of(exchange), durable=durable)


def _finish(exchange: Exchange, span: Span, seconds: float) -> None:
    count_request(exchange.method, exchange.route, exchange.status, exchange.seconds)
    if span.is_recording():
        span.update_name(f"{exchange.method} {exchange.route}")
        span.set_attributes(
            {
                "http.request.method": exchange.method,
                "http.route": exchange.route,
                "http.response.status_code": exchange.status,
                "dailies.request_id": exchange.request_id or "",
            }
        )
    facts = {
        **exchange.subjects,
        "request_id": exchange.request_id,
        "method": exchange.method,
        "path": exchange.path,
        "route": exchange.route,
        "status": exchange.status,
        "duration_ms": round(seconds * 1000, 1),
        "address": exchange.address,
        "user": exchange.caller.id if exchange.caller else None,
        "trace_id": exchange.trace_id,
    }
    tell_whole(access_log, f"{exchange.method} {one_line(exchange.path)} {exchange.status}", facts)


def _leave_metrics() -> None:
    """Take this process's live gauges out of what its siblings show."""
    if folder := shared_folder():
        leave(os.getpid(), folder)


def _telemetry(request: Request) -> Telemetry:
    telemetry: Telemetry = request.app.state.telemetry
    return telemetry


TelemetryDependency = Annotated[Telemetry, Depends(_telemetry)]
