"""The audit: calls of the API and transitions of runs in one timeline. For administrators."""

from collections.abc import Iterator
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query
from fastapi.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from api.access import allow
from api.audit.schemas import AuditAnswer
from api.cursors import decode_row, encode_row
from api.dependencies import ServicesDependency
from api.observing import TelemetryDependency
from api.routes.jobs import After, Limit
from api.schemas import Instant, Page
from data.domain.audit import AuditKind, ChainedEntry, Verification
from data.domain.identity import Scope
from data.repositories import AuditFilter, AuditRepository

Text = Annotated[str | None, Query(max_length=500)]


async def chosen(
    kind: AuditKind | None = None,
    user: Text = None,
    key: Text = None,
    address: Text = None,
    scope: Annotated[Scope | None, Query(description="What the call needed.")] = None,
    method: Text = None,
    route: Annotated[
        str | None, Query(max_length=500, description="Template of the path: `/api/v1/jobs/{job_id}`.")
    ] = None,
    resource: Text = None,
    request_id: Text = None,
    trace_id: Text = None,
    job: Text = None,
    status: Annotated[int | None, Query(ge=100, le=599)] = None,
    since: Annotated[Instant | None, Query(description="At that time or later.")] = None,
    until: Annotated[Instant | None, Query(description="Before that time.")] = None,
) -> AuditFilter:
    """Return which entries a call is about; every part that is given has to hold."""
    return AuditFilter(
        kind=kind,
        user=user,
        key=key,
        address=address,
        scope=scope.value if scope else None,
        method=method.upper() if method else None,
        route=route,
        resource=resource,
        request_id=request_id,
        trace_id=trace_id,
        job=job,
        status=status,
        since=since,
        until=until,
    )


router = APIRouter(prefix="/audit", tags=["audit"])
Chosen = Annotated[AuditFilter, Depends(chosen)]


@router.get("", dependencies=[allow(Scope.ADMIN)])
async def list_audit(
    services: ServicesDependency,
    wanted: Chosen,
    after: After = None,
    limit: Limit = 50,
) -> Page[AuditAnswer]:
    """List entries, the latest first."""
    before = decode_row(after) if after else None

    def read() -> tuple[ChainedEntry, ...]:
        with services.database.session() as session:
            return AuditRepository(session).page(wanted, before=before, limit=limit + 1)

    found = await run_in_threadpool(read)
    last = encode_row(found[limit - 1].sequence) if len(found) > limit else None
    return Page[AuditAnswer](items=tuple(map(AuditAnswer.of, found[:limit])), next=last)


@router.get("/verify", dependencies=[allow(Scope.ADMIN)])
async def verify_audit(telemetry: TelemetryDependency) -> Verification:
    """Check the whole chain. `fault` names the first entry that was changed, removed or put elsewhere.

    Reads every entry: about a minute for a million. The service does so by itself every six hours.
    """
    return await run_in_threadpool(telemetry.trail.verify)


@router.get(
    "/export",
    dependencies=[allow(Scope.ADMIN)],
    response_class=StreamingResponse,
    responses={200: {"content": {"application/jsonl": {}}, "description": "One entry a line, oldest first."}},
)
async def export_audit(telemetry: TelemetryDependency, wanted: Chosen) -> StreamingResponse:
    """Hand out entries as JSON lines, oldest first, with all that is needed to check the chain."""

    def lines() -> Iterator[bytes]:
        for each in telemetry.trail.read(wanted):
            yield orjson.dumps(each.line()) + b"\n"

    headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"', "Cache-Control": "no-store"}
    return StreamingResponse(lines(), media_type="application/jsonl", headers=headers)
