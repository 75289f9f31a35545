"""The files that come of a batch, streamed from the object store."""

from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from api.dependencies import Services
from api.streaming import from_thread
from data.domain.errors import NotFoundError
from data.repositories import BatchRepository
from data.storage import content_type_of

REPORT_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    "sandbox allow-popups allow-downloads"
)
"""The report brings its own style and drawings, and loads, runs and sends nothing."""


class BatchFile(StrEnum):
    """The files, by their names among a batch's outputs."""

    RESULTS_CSV = "results_csv"
    RESULTS_PARQUET = "results_parquet"
    REJECTS = "rejects"
    RETRY = "retry"
    REPORT = "report"


_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".jsonl": "application/jsonl; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
    ".html": "text/html; charset=utf-8",
}


def _file_of(*kinds: str) -> dict[int | str, dict[str, Any]]:
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}
    return {200: {"description": "The file.", "content": content}}


FILE_KINDS = {
    "results": _file_of(_TYPES[".csv"], _TYPES[".parquet"]),
    "rejects": _file_of(_TYPES[".csv"], _TYPES[".jsonl"], _TYPES[".parquet"]),
    "retry-manifest": _file_of(_TYPES[".csv"], _TYPES[".jsonl"], _TYPES[".parquet"]),
    "report": _file_of(_TYPES[".html"]),
}
"""What the routes answer, by the last part of their addresses."""


async def batch_file(batch_id: str, which: BatchFile, services: Services) -> Response:
    """Answer with a file of a batch.

    Raises:
        NotFoundError: There is no such batch, or the file was not made (yet).
    """
    key = await run_in_threadpool(_key, batch_id, which, services)
    stored = await run_in_threadpool(services.store.stat, key)
    if stored is None:
        raise NotFoundError(f"The {which.value} of the batch {batch_id} is not in the store any more.")
    chunks = await run_in_threadpool(services.store.read_range, key, 0, stored.size_bytes)
    headers = {"Content-Length": str(stored.size_bytes), "Cache-Control": "no-cache", **_presentation(key, which)}
    return StreamingResponse(from_thread(chunks), headers=headers)


def _key(batch_id: str, which: BatchFile, services: Services) -> str:
    with services.database.session() as session:
        batch = BatchRepository(session).get(batch_id, services.caller.only_owner)
    if which.value not in batch.outputs:
        facts = {"batch_id": batch.id, "state": batch.state.value}
        raise NotFoundError(f"The batch {batch.id} has no {which.value}; it is {batch.state.value}.", facts)
    return batch.outputs[which.value]


def _presentation(key: str, which: BatchFile) -> dict[str, str]:
    name = PurePosixPath(key)
    kind = _TYPES.get(name.suffix) or content_type_of(key)
    if which is BatchFile.REPORT:
        return {"Content-Type": kind, "Content-Security-Policy": REPORT_CSP}
    return {"Content-Type": kind, "Content-Disposition": f'attachment; filename="{name.name}"'}
