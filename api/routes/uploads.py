"""Uploads: a file handed in over HTTP, kept in the object store until a job takes it."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from api.access import CallerDependency, allow
from api.dependencies import ServicesDependency
from api.edge.limiting import subject_of
from api.multipart import FILE_FIELD
from api.part_uploads import abort_parts, begin_parts, check_parts, complete_parts, show_parts
from api.receiving import arriving, check_content, head_of, keep_upload
from api.schemas import PartsBegin, PartsComplete, PartsUpload, Problem, Upload
from data.domain.identity import Scope
from data.domain.sources import UPLOAD_SCHEME

router = APIRouter(prefix="/uploads", tags=["uploads"])

REFUSED: dict[int | str, dict[str, Any]] = {
    413: {"model": Problem},
    415: {"model": Problem, "description": "By its content it is nothing that is taken: an archive, HTML, a playlist."},
    422: {"model": Problem},
}
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}
NO_PARTS: dict[int | str, dict[str, Any]] = {
    409: {"model": Problem, "description": "The store takes no parts, or parts are missing."}
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


@router.post("/presigned", dependencies=[allow(Scope.WRITE)], status_code=201, responses={**REFUSED, **NO_PARTS})
async def begin_upload_in_parts(
    body: PartsBegin, services: ServicesDependency, caller: CallerDependency, request: Request
) -> PartsUpload:
    """Begin an upload that goes to the object store itself, part by part; none of it passes through this service.

    It counts against what the caller may upload in a day as soon as it has begun.
    """
    await run_in_threadpool(check_parts, body, services)
    await services.quotas.spend(subject_of(caller, request.scope), body.size_bytes)
    return await run_in_threadpool(begin_parts, body, services)


@router.get("/{upload_id}/parts", dependencies=[allow(Scope.WRITE)], responses={**NOT_FOUND, **NO_PARTS})
async def upload_parts(upload_id: str, services: ServicesDependency) -> PartsUpload:
    """Show where the parts of an upload under way are sent, with fresh addresses."""
    return await run_in_threadpool(show_parts, upload_id, services)


@router.post("/{upload_id}/complete", dependencies=[allow(Scope.WRITE)], responses={**NOT_FOUND, **REFUSED, **NO_PARTS})
async def complete_upload(upload_id: str, body: PartsComplete, services: ServicesDependency) -> Upload:
    """Complete an upload in parts: all must be there, and its content be of a kind that is taken."""
    return await run_in_threadpool(complete_parts, upload_id, body, services)


@router.delete("/{upload_id}", dependencies=[allow(Scope.WRITE)], status_code=204, responses={**NOT_FOUND, **NO_PARTS})
async def abort_upload(upload_id: str, services: ServicesDependency) -> None:
    """Give up an upload in parts. One that nobody completes is swept away after a day."""
    await run_in_threadpool(abort_parts, upload_id, services)
