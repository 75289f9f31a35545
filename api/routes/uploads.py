"""Uploads: a file handed in over HTTP, kept in the object store until a job takes it."""

import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from api.dependencies import Services, ServicesDependency
from api.multipart import FILE_FIELD, ReceivedFile, receive_file, too_large
from api.schemas import Problem, Upload
from data.domain.keys import upload_key
from data.domain.sources import UPLOAD_SCHEME
from data.repositories import UploadRepository

router = APIRouter(prefix="/uploads", tags=["uploads"])

FORM_OVERHEAD_BYTES = 128 * 1024
"""How much longer than its file a form may be."""

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
    status_code=201,
    responses={413: {"model": Problem}, 422: {"model": Problem}},
    openapi_extra={"requestBody": _MULTIPART_BODY},
)
async def upload_file(request: Request, services: ServicesDependency) -> Upload:
    """Hand in a file, in the field `file` of a form; give the answer's `source` to a job.

    The file streams to disk and is hashed on the way, whatever its size.
    """
    max_bytes = services.settings.api.max_upload_bytes
    if int(request.headers.get("Content-Length") or 0) > max_bytes + FORM_OVERHEAD_BYTES:
        raise too_large(max_bytes)
    upload_id = secrets.token_hex(12)
    with _scratch(services.settings.scratch_path, upload_id) as directory:
        path = directory / "file"
        content_type = request.headers.get("Content-Type", "")
        received = await receive_file(request.stream(), content_type, path, max_bytes=max_bytes)
        await run_in_threadpool(_keep, services, upload_id, path, received)
    return Upload(
        id=upload_id,
        source=f"{UPLOAD_SCHEME}{upload_id}",
        name=received.name,
        size_bytes=received.size_bytes,
        sha256=received.sha256,
    )


@contextmanager
def _scratch(root: Path, upload_id: str) -> Iterator[Path]:
    directory = root / f"upload-{upload_id}"
    directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _keep(services: Services, upload_id: str, path: Path, received: ReceivedFile) -> None:
    """Note the upload, store its bytes, and only then call it complete: jobs take no other."""
    key = upload_key(upload_id, re.sub(r"[^A-Za-z0-9._-]", "_", received.name).lstrip(".") or "upload")
    with services.database.session() as session:
        UploadRepository(session).create(upload_id, key=key, original_name=received.name)
    services.store.put_file(path, key)
    with services.database.session() as session:
        UploadRepository(session).complete(upload_id, size_bytes=received.size_bytes, sha256=received.sha256)
