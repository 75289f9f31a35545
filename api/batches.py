"""What the calls about batches do: take them in, ask something of them, and show them."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID, uuid4, uuid5

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from api.batch_schemas import BatchMove, BatchRequest
from api.dependencies import Services
from api.receiving import arriving, keep_upload
from api.submission import upload_name
from api.webhook_schemas import BatchWebhook, BatchWebhooks
from api.webhooks import endpoints_of_job
from data.domain.batches import Batch, BatchOptions, BatchReason, BatchState, BatchWish, ItemState
from data.domain.errors import (
    IllegalMoveError,
    InvalidRequestError,
    OrchestratorUnavailableError,
    SourceInvalidError,
)
from data.domain.retries import RetryFilter
from data.domain.sources import UPLOAD_SCHEME, SourceKind, SourceRules, file_name
from data.recipes import load_recipe
from data.repositories import BatchItemRepository, BatchRepository, GenerationRepository
from data.telemetry.tracing import current_traceparent

MANIFEST_FIELD = "manifest"
_BATCHES = UUID("6a4b6f62-6f0c-4c0e-9f0b-3f1f6e0d7b11")
"""The name space of batch ids that are made from an idempotency key."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchCall:
    """A batch as it was handed in."""

    fingerprint: dict[str, Any]
    """What makes it the same call as another."""
    request: Callable[[], BatchRequest]
    """Returns what is asked for; stores a manifest that came with the call."""


@asynccontextmanager
async def batch_call(request: Request, services: Services) -> AsyncIterator[BatchCall]:
    """Read a batch from a call: JSON, or a form with the manifest and the options.

    Raises:
        RequestValidationError: A field is wrong.
        InvalidRequestError: The form cannot be read, or has no manifest.
        InputTooLargeError: The manifest is larger than taken.
    """
    if not request.headers.get("Content-Type", "").startswith("multipart/"):
        asked = _parsed(BatchRequest, await request.body())
        yield BatchCall(asked.model_dump(mode="json"), lambda: asked)
        return
    most = services.settings.batch.max_manifest_bytes
    async with arriving(request, services, max_bytes=most, field=MANIFEST_FIELD) as arrival:
        fields = arrival.file.fields
        if unknown := fields.keys() - {"name", "options", "webhooks"}:
            raise InvalidRequestError(
                f"The form has fields that mean nothing: {', '.join(sorted(unknown))}.", {"fields": sorted(unknown)}
            )
        options = _parsed(BatchOptions, fields.get("options") or "{}", "options")
        webhooks = _parsed(BatchWebhooks, fields.get("webhooks") or "[]", "webhooks")
        name = fields.get("name") or arrival.file.name
        fingerprint = {
            "sha256": arrival.file.sha256,
            "name": fields.get("name", ""),
            "options": options.model_dump(mode="json"),
            "webhooks": [each if isinstance(each, str) else each.model_dump(mode="json") for each in webhooks],
        }

        def keep() -> BatchRequest:
            manifest = f"{UPLOAD_SCHEME}{keep_upload(services, arrival)}"
            return BatchRequest(manifest=manifest, name=name[:200], options=options, webhooks=webhooks)

        yield BatchCall(fingerprint, keep)


async def new_batch(call: BatchCall, services: Services, key: str | None, *, is_dry_run: bool = False) -> Batch:
    """Take a batch in and have it fed.

    Raises:
        RecipeUnknownError: No recipe has the name that the options give.
        SourceForbiddenError: The manifest lies where none may come from.
        SourceNotFoundError: There is no such upload.
        InvalidRequestError: The manifest is of no kind that is taken, or somebody cannot be told.
    """
    asked = await run_in_threadpool(call.request)
    name = await run_in_threadpool(_checked_name, asked, services)
    options = asked.options.model_copy(update={"dry_run": True}) if is_dry_run else asked.options
    told = await run_in_threadpool(endpoints_of_job, services, services.caller, asked.webhooks, key, BatchWebhook)
    batch = _received(
        key, name=name, manifest_uri=asked.manifest, options=options, owner=services.caller.id, webhooks=told
    )
    return await _taken_in(batch, services)


async def retried(batch_id: str, rows: RetryFilter, name: str, services: Services, key: str | None) -> Batch:
    """Make a batch of the rows of an ended one that a filter chooses, and have it fed.

    Raises:
        NotFoundError: There is no such batch.
        IllegalMoveError: It has not ended, or was rejected as a whole.
        InvalidRequestError: The filter chooses no row.
    """
    parent = await run_in_threadpool(_retryable, batch_id, rows, services)
    batch = _received(
        key,
        name=name or f"{parent.name} (again)"[:200],
        manifest_uri=parent.manifest_uri,
        options=parent.options.model_copy(update={"dry_run": False}),
        retry_of=parent.id,
        retry_filter=rows,
        owner=parent.owner,  # whose uploads its rows may name
        webhooks=parent.webhooks,
    )
    return await _taken_in(batch, services)


async def ask(batch_id: str, move: BatchMove, services: Services) -> Batch:
    """Ask something of a batch; its feed obeys, and is made where it has none.

    Raises:
        NotFoundError: There is no such batch.
        IllegalMoveError: Its state does not allow that; the facts say what it does.
    """
    batch = await run_in_threadpool(_asked, batch_id, move, services)
    await _fed(batch, services)
    return batch


async def _taken_in(batch: Batch, services: Services) -> Batch:
    known = await run_in_threadpool(_create, batch, services)
    await _fed(known, services)
    return known


async def _fed(batch: Batch, services: Services) -> None:
    """Have the batch fed, now or, while Prefect is away, by the upkeep that finds it unfed: what is noted, is done."""
    try:
        await services.gateway.ensure_feed(batch)
    except OrchestratorUnavailableError as error:
        logger.warning("The batch %s waits until Prefect is back: %s", batch.id, error)


def _received(key: str | None, **values: Any) -> Batch:
    batch_id = uuid5(_BATCHES, key) if key else uuid4()
    made = {"created_at": datetime.now(UTC), "traceparent": current_traceparent()}
    return Batch(id=str(batch_id), state=BatchState.RECEIVED, **made, **values)


def _create(batch: Batch, services: Services) -> Batch:
    """Record the batch, unless a call with the same key did before it died."""
    with services.database.session() as session:
        batches = BatchRepository(session)
        if (known := batches.find(batch.id)) is not None:
            return known
        batches.create(batch)
        return batch


def _checked_name(asked: BatchRequest, services: Services) -> str:
    """Refuse early what its feed would refuse, and return the batch's name."""
    settings = services.settings
    load_recipe(asked.options.recipe, settings.recipe_folder)
    try:
        kind = SourceRules(**settings.source_options).check(asked.manifest)
    except SourceInvalidError as error:
        raise InvalidRequestError(error.message, {**error.facts, "field": MANIFEST_FIELD}) from error
    if kind is SourceKind.UPLOAD:
        uploaded = upload_name(asked.manifest.removeprefix(UPLOAD_SCHEME), services)
        return asked.name or uploaded
    return asked.name or file_name(asked.manifest) or PurePosixPath(asked.manifest).name or asked.manifest


def _retryable(batch_id: str, rows: RetryFilter, services: Services) -> Batch:
    with services.database.session() as session:
        batch = BatchRepository(session).get(batch_id, services.caller.only_owner)
        if "retry" not in batch.moves:
            raise _illegal(batch, "retry")
        items = BatchItemRepository(session).all(batch.id, (ItemState.FAILED, ItemState.CANCELLED))
        asked = GenerationRepository(session).asked_for_batch(batch.id) if rows.providers else {}
        if not any(rows.chooses(item, asked.get(item.run_id or "", ())) for item in items):
            raise InvalidRequestError(
                f"No row of the batch {batch.id} is to be tried again by that.", {"field": "rows"}
            )
    return batch


def _asked(batch_id: str, move: BatchMove, services: Services) -> Batch:
    with services.database.session() as session:
        batch = BatchRepository(session).get(batch_id, services.caller.only_owner)
        if move not in batch.moves:
            raise _illegal(batch, move)
        _CARRY_OUT[move](session, batch)
    with services.database.session() as session:
        return BatchRepository(session).get(batch_id)


def _cancel(session: Session, batch: Batch) -> None:
    """End at once what nobody works on; for anything else the feed does it."""
    batches = BatchRepository(session)
    batches.set_wish(batch.id, BatchWish.CANCEL)
    idle = [BatchState.RECEIVED, *([BatchState.PLANNED] if batch.awaits_a_word else [])]
    if batches.move(batch.id, BatchState.CANCELLED, allowed_from=idle, reason=BatchReason.REQUEST):
        BatchItemRepository(session).cancel_pending(batch.id, BatchReason.REQUEST.value)


def _start(session: Session, batch: Batch) -> None:
    """Let go of a batch that waits for a word; whether it may run at this hour is for its feed to decide."""
    BatchRepository(session).set_wish(batch.id, BatchWish.RUN)
    BatchRepository(session).move(batch.id, BatchState.PLANNED, allowed_from=[BatchState.PLANNED])


def _pause(session: Session, batch: Batch) -> None:
    BatchRepository(session).set_wish(batch.id, BatchWish.PAUSE)


def _resume(session: Session, batch: Batch) -> None:
    BatchRepository(session).set_wish(batch.id, BatchWish.RUN)


_CARRY_OUT: dict[str, Callable[[Session, Batch], None]] = {
    "cancel": _cancel,
    "start": _start,
    "pause": _pause,
    "resume": _resume,
}


def _illegal(batch: Batch, move: str) -> IllegalMoveError:
    asked = f" and asked to {batch.wish.value}" if batch.wish is not BatchWish.RUN else ""
    return IllegalMoveError(
        f"A batch that is {batch.state.value}{asked} cannot be asked to {move}.",
        {"state": batch.state.value, "allowed": sorted(batch.moves)},
    )


def _parsed(shape: Any, content: str | bytes, *place: str) -> Any:
    try:
        return TypeAdapter(shape).validate_json(content or b"{}")
    except ValidationError as error:
        raise RequestValidationError(
            [{**each, "loc": ("body", *place, *each["loc"])} for each in error.errors()]
        ) from error
