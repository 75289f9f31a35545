"""Uploads: a file handed in over HTTP, kept in the object store until a job takes it."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from api.access import allow
from api.dependencies import ServicesDependency
from api.multipart import FILE_FIELD
from api.receiving import arriving, check_content, head_of, keep_upload
from api.schemas import Problem, Upload
from data.domain.identity import Scope
from data.domain.sources import UPLOAD_SCHEME

router = APIRouter(prefix="/uploads", tags=["uploads"])

REFUSED: dict[int | str, dict[str, Any]] = {
    413: {"model": Problem},
    415: {"model": Problem, "description": "By its content it is nothing that is taken: an archive, HTML, a playlist."},
    422: {"model": Problem},
}

_MULTIPART_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": [FILE_FIELD],
                "properties": {FILE_FIELD: {"type": "string", "format": "binary"}},
            }
        }
    },
}


@router.post(
    "",
    dependencies=[allow(Scope.WRITE)],
    status_code=201,
    responses=REFUSED,
    openapi_extra={"requestBody": _MULTIPART_BODY},
)
async def upload_file(request: Request, services: ServicesDependency) -> Upload:
    """Hand in a file, in the field `file` of a form; give the answer's `source` to a job.

    The file streams to disk and is hashed on the way, whatever its size. What it is, its content says, not its name.
    """
    async with arriving(request, services, max_bytes=services.settings.api.max_upload_bytes) as arrival:
        check_content(await run_in_threadpool(head_of, arrival.path), arrival.file.name)
        upload_id = await run_in_threadpool(keep_upload, services, arrival)
    file = arrival.file
    return Upload(
        id=upload_id,
        source=f"{UPLOAD_SCHEME}{upload_id}",
        name=file.name,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
    )
