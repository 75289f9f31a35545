"""Answers that are not sent again while nothing has changed, and changes that are made only to what was seen.

An ``ETag`` of ours has two halves: what a person decides by (the state, the title …) and all that is shown. A read
answers 304 while both hold. A change goes by the first alone (``If-Match``): the progress of a running job moves on
between any read and the change that follows it, and is no reason to refuse that.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated

import orjson
from fastapi import Depends, Header
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel
from starlette.responses import Response

from api.batch_views import show_batch
from api.dependencies import ServicesDependency
from data.domain.errors import PreconditionFailedError

IfNoneMatch = Annotated[str | None, Header(description="The `ETag` that you have: 304 while it holds.")]
IfMatch = Annotated[
    str | None,
    Header(description="The `ETag` that you have seen: 412, and nothing is done, if the state is another by now."),
]

JOB_DECIDED_BY = frozenset({"state", "attempt", "title", "metadata", "priority"})
BATCH_DECIDED_BY = frozenset({"state", "reason"})


@dataclass(frozen=True)
class Told:
    """An answer as it is sent."""

    body: bytes
    """JSON."""
    etag: str


def told(shown: BaseModel, decided_by: Collection[str]) -> Told:
    """Return an answer as it is sent.

    Args:
        shown: The answer.
        decided_by: Its fields of which the first half of the ``ETag`` is made.
    """
    document = shown.model_dump(mode="json")
    etag = f'"{_digest({name: document[name] for name in sorted(decided_by)})}-{_digest(document)}"'
    return Told(orjson.dumps(document), etag)


def unless_known(answer: Told, if_none_match: str | None) -> Response:
    """Return an answer with its ``ETag``, or 304 if the caller has it already."""
    headers = {"ETag": answer.etag, "Cache-Control": "no-cache"}
    if is_known(answer.etag, if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(answer.body, headers=headers, media_type="application/json")


def is_known(etag: str, if_none_match: str | None) -> bool:
    """Say whether a caller has an answer already; a proxy that compresses writes ``W/`` before its ``ETag``."""
    return etag in [each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")]


def check_match(shown: BaseModel, if_match: str | None, decided_by: Collection[str]) -> None:
    """Do nothing if it is still what the caller has seen, or the caller does not ask.

    Raises:
        PreconditionFailedError: It is not.
    """
    if not if_match or if_match.strip() == "*":
        return
    current = told(shown, decided_by).etag
    if _first_half(current) not in [_first_half(each.strip()) for each in if_match.split(",")]:
        raise PreconditionFailedError("It is not as you have seen it any more: read it again.", {"etag": current})


async def check_job(job_id: str, services: ServicesDependency, if_match: IfMatch = None) -> None:
    """Do nothing if a job is still what the caller has seen, or the caller does not ask.

    Raises:
        PreconditionFailedError: It is not.
    """
    if if_match:
        check_match(await services.gateway.get(job_id, anew=True), if_match, JOB_DECIDED_BY)


async def check_batch(batch_id: str, services: ServicesDependency, if_match: IfMatch = None) -> None:
    """Do nothing if a batch is still what the caller has seen, or the caller does not ask.

    Raises:
        PreconditionFailedError: It is not.
    """
    if if_match:
        check_match(await run_in_threadpool(show_batch, batch_id, services), if_match, BATCH_DECIDED_BY)


JOB_MATCHES = Depends(check_job)
BATCH_MATCHES = Depends(check_batch)
"""Dependencies of routes that change a job or a batch. Those that take an ``Idempotency-Key`` check by themselves: a
call that is repeated gets its answer, though what it has seen is another by now."""


def _first_half(etag: str) -> str:
    return etag.removeprefix("W/").strip('"').partition("-")[0]


def _digest(document: object) -> str:
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()[:20]
