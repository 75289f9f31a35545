"""Files that come with a request: into a scratch folder first, then into the object store as uploads."""

import re
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from api.dependencies import Services
from api.edge.limiting import subject_of
from api.multipart import FILE_FIELD, ReceivedFile, receive_file, too_large
from data.domain.errors import UploadUnsupportedError
from data.domain.keys import upload_key
from data.domain.sniffing import HEAD_BYTES, refusal_of_upload
from data.repositories import UploadRepository

FORM_OVERHEAD_BYTES = 128 * 1024
"""How much longer than its file a form may be."""


@dataclass(frozen=True)
class Arrival:
    """A file that arrived whole and lies in the scratch folder."""

    path: Path
    file: ReceivedFile


@asynccontextmanager
async def arriving(
    request: Request, services: Services, *, max_bytes: int, field: str = FILE_FIELD
) -> AsyncIterator[Arrival]:
    """Receive the file of a form; it is gone when the context is left.

    Args:
        request: The call.
        services: The doors.
        max_bytes: Largest file.
        field: The name of the form field that carries it.

    Raises:
        InvalidRequestError: The form has no such file, or cannot be read.
        InputTooLargeError: The file is larger than ``max_bytes``.
        QuotaSpentError: The caller has uploaded enough for today, or too many files at once.
        DiskFullError: No space is left.
    """
    length = int(request.headers.get("Content-Length") or 0)
    if length > max_bytes + FORM_OVERHEAD_BYTES:
        raise too_large(max_bytes)
    subject = subject_of(getattr(request.state, "caller", None), request.scope)
    async with (
        services.quotas.upload(subject, max(0, length - FORM_OVERHEAD_BYTES)),
        _received(request, services, max_bytes, field) as arrival,
    ):
        await services.quotas.spend(subject, arrival.file.size_bytes)
        yield arrival


@asynccontextmanager
async def _received(request: Request, services: Services, max_bytes: int, field: str) -> AsyncIterator[Arrival]:
    directory = services.settings.scratch_path / f"upload-{secrets.token_hex(12)}"
    directory.mkdir(parents=True)
    try:
        path, content_type = directory / "file", request.headers.get("Content-Type", "")
        received = await receive_file(request.stream(), content_type, path, max_bytes=max_bytes, field=field)
        yield Arrival(path, received)
    finally:
        await run_in_threadpool(shutil.rmtree, directory, ignore_errors=True)


def check_content(head: bytes, name: str) -> None:
    """Do nothing if a file that begins like that is of a kind that is taken, whatever its name says.

    Raises:
        UploadUnsupportedError: It is not.
    """
    if refusal := refusal_of_upload(head):
        message = f"{name} is not taken: by its content it is {refusal}. Videos, sound, pictures, tables and texts are."
        raise UploadUnsupportedError(message, {"found": refusal, "field": FILE_FIELD})


def head_of(path: Path) -> bytes:
    """Return how a file begins, as far as its kind is told by."""
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def keep_upload(services: Services, arrival: Arrival) -> str:
    """Note the upload, store its bytes, and only then call it complete (jobs take no other); return its id."""
    upload_id, file = secrets.token_hex(12), arrival.file
    key = key_of(upload_id, file.name)
    with services.database.session() as session:
        UploadRepository(session).create(upload_id, key=key, original_name=file.name, owner=services.caller.id)
    services.store.put_file(arrival.path, key)
    with services.database.session() as session:
        UploadRepository(session).complete(upload_id, size_bytes=file.size_bytes, sha256=file.sha256)
    return upload_id


def key_of(upload_id: str, name: str) -> str:
    """Return where an upload lies: its name is for people, and there to tell a manifest's format by."""
    return upload_key(upload_id, re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "upload")
