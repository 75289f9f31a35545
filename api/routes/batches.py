"""Batches: manifests in, morning reports out."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from api.access import allow
from api.batch_files import FILE_KINDS, BatchFile, batch_file
from api.batch_schemas import BatchAnswer, BatchItemAnswer, BatchMove, BatchRetry, BatchSummary
from api.batch_views import list_batches, list_items, show_batch
from api.batches import MANIFEST_FIELD, ask, batch_call, new_batch, retried
from api.conditional import BATCH_DECIDED_BY, BATCH_MATCHES, IfNoneMatch, check_batch, told, unless_known
from api.dependencies import Services, ServicesDependency
from api.idempotency import Answered, KeyHeader, MoveDependency, once
from api.links import batch_url
from api.schemas import Page, Problem
from data.domain.batches import Batch, BatchOptions, BatchState, ItemState
from data.domain.identity import Scope

router = APIRouter(prefix="/batches", tags=["batches"])

Responses = dict[int | str, dict[str, Any]]
Limit = Annotated[int, Query(ge=1, le=200, description="Most items of one page.")]
After = Annotated[str | None, Query(max_length=1000, description="The `next` of the page before.")]
NOT_FOUND: Responses = {404: {"model": Problem}}
REFUSED: Responses = {422: {"model": Problem}, 413: {"model": Problem}, 409: {"model": Problem}}
ILLEGAL_MOVE: Responses = {
    **NOT_FOUND,
    409: {"model": Problem, "description": "The state of the batch does not allow it; `facts.allowed` says what."},
}
_EXAMPLE = BatchOptions().model_dump_json()
_BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/BatchRequest"}},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": [MANIFEST_FIELD],
                "properties": {
                    MANIFEST_FIELD: {"type": "string", "format": "binary", "description": "CSV, JSONL or Parquet."},
                    "name": {"type": "string"},
                    "options": {
                        "type": "string",
                        "description": "As JSON.",
                        "example": BatchOptions().model_dump_json(),
                    },
                    "webhooks": {"type": "string", "description": "A list, as JSON.", "example": "[]"},
                },
            }
        },
    },
}


@router.post(
    "",
    dependencies=[allow(Scope.WRITE)],
    status_code=202,
    response_model=BatchAnswer,
    responses=REFUSED,
    openapi_extra={"requestBody": _BODY},
)
async def submit_batch(request: Request, services: ServicesDependency, idempotency_key: KeyHeader = None) -> Response:
    """Hand in a manifest: as a file in a form, or by its address. Answers at once; validation and planning come first.

    With an `Idempotency-Key` the same call can be sent again safely: it gets the first call's answer.
    """
    return await _submitted(request, services, idempotency_key, is_dry_run=False)


@router.post(
    "/plan",
    dependencies=[allow(Scope.WRITE)],
    status_code=202,
    response_model=BatchAnswer,
    responses=REFUSED,
    openapi_extra={"requestBody": _BODY},
)
async def plan_batch(request: Request, services: ServicesDependency, idempotency_key: KeyHeader = None) -> Response:
    """Validate a manifest and plan it, without doing it. The batch is then `planned`: `start` goes on from there."""
    return await _submitted(request, services, idempotency_key, is_dry_run=True)


@router.get("", dependencies=[allow(Scope.READ)], operation_id="list_batches")
async def all_batches(
    services: ServicesDependency,
    state: Annotated[list[BatchState] | None, Query(description="Only these; may be given several times.")] = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[BatchSummary]:
    """List batches, the latest first."""
    return await run_in_threadpool(list_batches, services, state or (), after, limit)


@router.get("/{batch_id}", dependencies=[allow(Scope.READ)], response_model=BatchAnswer, responses=NOT_FOUND)
async def get_batch(batch_id: str, services: ServicesDependency, if_none_match: IfNoneMatch = None) -> Response:
    """Show a batch: how many rows are where, when it will be done, what it costs. Poll with `If-None-Match`."""
    shown = await run_in_threadpool(show_batch, batch_id, services)
    return unless_known(told(shown, BATCH_DECIDED_BY), if_none_match)


@router.get("/{batch_id}/items", dependencies=[allow(Scope.READ)], operation_id="list_batch_items", responses=NOT_FOUND)
async def batch_items(
    batch_id: str,
    services: ServicesDependency,
    state: Annotated[list[ItemState] | None, Query(description="Only these; may be given several times.")] = None,
    after: After = None,
    limit: Limit = 50,
) -> Page[BatchItemAnswer]:
    """List the rows of a batch in the order of its manifest, whether they have a run of their own or share one."""
    return await run_in_threadpool(list_items, batch_id, services, state or (), after, limit)


@router.get(
    "/{batch_id}/results",
    dependencies=[allow(Scope.READ)],
    response_class=Response,
    responses={**NOT_FOUND, **FILE_KINDS["results"]},
)
async def batch_results(
    batch_id: str,
    services: ServicesDependency,
    format: Annotated[Literal["csv", "parquet"], Query()] = "csv",  # noqa: A002 - the call's own word
) -> Response:
    """Download the manifest's rows with what came of each. There once the batch has ended."""
    return await batch_file(batch_id, BatchFile.RESULTS_CSV if format == "csv" else BatchFile.RESULTS_PARQUET, services)


@router.get(
    "/{batch_id}/rejects",
    dependencies=[allow(Scope.READ)],
    response_class=Response,
    responses={**NOT_FOUND, **FILE_KINDS["rejects"]},
)
async def batch_rejects(batch_id: str, services: ServicesDependency) -> Response:
    """Download the rows that were refused, in the manifest's own columns and with what is wrong with each."""
    return await batch_file(batch_id, BatchFile.REJECTS, services)


@router.get(
    "/{batch_id}/retry-manifest",
    dependencies=[allow(Scope.READ)],
    response_class=Response,
    responses={**NOT_FOUND, **FILE_KINDS["retry-manifest"]},
)
async def batch_retry_manifest(batch_id: str, services: ServicesDependency) -> Response:
    """Download the rows that failed or were cancelled, as a manifest that can be handed in."""
    return await batch_file(batch_id, BatchFile.RETRY, services)


@router.get(
    "/{batch_id}/report",
    dependencies=[allow(Scope.READ)],
    response_class=Response,
    responses={**NOT_FOUND, **FILE_KINDS["report"]},
)
async def batch_report(batch_id: str, services: ServicesDependency) -> Response:
    """Open the morning report: one page that needs nothing else. There once the batch has ended."""
    return await batch_file(batch_id, BatchFile.REPORT, services)


@router.post(
    "/{batch_id}/start",
    dependencies=[allow(Scope.WRITE)],
    status_code=202,
    response_model=BatchAnswer,
    responses=ILLEGAL_MOVE,
)
async def start_batch(batch_id: str, call: MoveDependency) -> Response:
    """Let a planned batch begin, after a dry run or because its plan needs approval.

    With an `Idempotency-Key` the same call can be sent again safely: it gets the first call's answer.
    """

    async def start() -> Answered:
        return await _answered(await ask(batch_id, "start", call.services), call.services)

    return await call.once(batch_id, check_batch, start)


@router.post(
    "/{batch_id}/pause", dependencies=[allow(Scope.WRITE), BATCH_MATCHES], status_code=202, responses=ILLEGAL_MOVE
)
async def pause_batch(batch_id: str, services: ServicesDependency, response: Response) -> BatchAnswer:
    """Start nothing more for a batch; what runs for it is done to its end. It stays paused until it is resumed."""
    return await _moved(batch_id, "pause", services, response)


@router.post(
    "/{batch_id}/resume",
    dependencies=[allow(Scope.WRITE)],
    status_code=202,
    response_model=BatchAnswer,
    responses=ILLEGAL_MOVE,
)
async def resume_batch(batch_id: str, call: MoveDependency) -> Response:
    """Go on with a paused batch. With an `Idempotency-Key` the same call can be sent again safely."""

    async def resume() -> Answered:
        return await _answered(await ask(batch_id, "resume", call.services), call.services)

    return await call.once(batch_id, check_batch, resume)


@router.post(
    "/{batch_id}/cancel", dependencies=[allow(Scope.WRITE), BATCH_MATCHES], status_code=202, responses=ILLEGAL_MOVE
)
async def cancel_batch(batch_id: str, services: ServicesDependency, response: Response) -> BatchAnswer:
    """Stop a batch for good: what waits is cancelled, and what runs. What was published stays."""
    return await _moved(batch_id, "cancel", services, response)


@router.post(
    "/{batch_id}/retry",
    dependencies=[allow(Scope.WRITE)],
    status_code=202,
    response_model=BatchAnswer,
    responses={**REFUSED, **ILLEGAL_MOVE},
)
async def retry_batch(
    batch_id: str,
    request: Request,
    services: ServicesDependency,
    body: BatchRetry | None = None,
    idempotency_key: KeyHeader = None,
) -> Response:
    """Try the rows of an ended batch again that failed or were cancelled, or some of them, as a new batch."""
    asked = body or BatchRetry()

    async def retry(key: str | None) -> Answered:
        return await _answered(await retried(batch_id, asked.rows, asked.name, services, key), services)

    return await once(services, request, idempotency_key, asked.model_dump(mode="json"), retry)


async def _submitted(request: Request, services: Services, key: str | None, *, is_dry_run: bool) -> Response:
    async with batch_call(request, services) as call:

        async def submit(prefect_key: str | None) -> Answered:
            return await _answered(await new_batch(call, services, prefect_key, is_dry_run=is_dry_run), services)

        return await once(services, request, key, call.fingerprint, submit)


async def _answered(batch: Batch, services: Services) -> Answered:
    shown = await run_in_threadpool(show_batch, batch.id, services)
    return Answered(202, shown.model_dump(mode="json"), batch_url(batch.id))


async def _moved(batch_id: str, move: BatchMove, services: Services, response: Response) -> BatchAnswer:
    batch = await ask(batch_id, move, services)
    response.headers["Location"] = batch_url(batch.id)
    return await run_in_threadpool(show_batch, batch.id, services)
