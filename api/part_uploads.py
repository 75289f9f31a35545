"""Uploads that clients send to the object store themselves, part by part, by addresses that we sign."""

import secrets
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from api.dependencies import Services
from api.multipart import safe_name, too_large
from api.receiving import check_content, key_of
from api.schemas import PartAddress, PartsBegin, PartsComplete, PartsUpload, Upload
from data.domain.errors import (
    NotFoundError,
    ObjectMissingError,
    UploadIncompleteError,
    UploadPartsUnavailableError,
    UploadUnsupportedError,
)
from data.domain.sniffing import HEAD_BYTES
from data.domain.sources import UPLOAD_SCHEME
from data.repositories import Upload as KeptUpload
from data.repositories import UploadRepository, UploadState
from data.storage.base import PartUploader

MIN_PART_BYTES = 16 * 1024 * 1024
MOST_PARTS = 1_000


def check_parts(call: PartsBegin, services: Services) -> None:
    """Do nothing if such an upload can begin.

    Raises:
        InputTooLargeError: The file is larger than is taken.
        UploadPartsUnavailableError: The store is a folder: there is no server to send parts to.
    """
    limit = services.settings.api.max_upload_bytes
    if call.size_bytes > limit:
        raise too_large(limit)
    _parts(services)


def begin_parts(call: PartsBegin, services: Services) -> PartsUpload:
    """Begin an upload that was checked, and return where each of its parts is to be sent."""
    parts, upload_id, name = _parts(services), secrets.token_hex(12), safe_name(call.name)
    key = key_of(upload_id, name)
    parts_id = parts.begin(key)
    with services.database.session() as session:
        uploads = UploadRepository(session)
        uploads.create(upload_id, key=key, original_name=name, owner=services.caller.id)
        uploads.expect(upload_id, parts_id=parts_id, size_bytes=call.size_bytes)
    return _addresses(upload_id, key, parts_id, call.size_bytes, services)


def show_parts(upload_id: str, services: Services) -> PartsUpload:
    """Return fresh addresses for the parts of an upload that has begun.

    Raises:
        NotFoundError: There is no such upload under way.
    """
    upload, parts_id, size_bytes = _under_way(upload_id, services)
    return _addresses(upload.id, upload.key, parts_id, size_bytes, services)


def complete_parts(upload_id: str, call: PartsComplete, services: Services) -> Upload:
    """Make the upload of its parts, once it is seen that all are there and that it is something that is taken.

    Raises:
        NotFoundError: There is no such upload under way.
        UploadIncompleteError: Parts are missing, or are others or larger than was said.
        UploadUnsupportedError: By its content it is nothing that is taken; it is gone.
    """
    done = _completed(upload_id, services)
    if done is not None:
        return _shown(done)
    upload, parts_id, size_bytes = _under_way(upload_id, services)
    _join(upload, parts_id, size_bytes, {part.number: part.etag.strip('"') for part in call.parts}, services)
    stored = services.store.stat(upload.key)
    if stored is None or stored.size_bytes != size_bytes:
        raise UploadIncompleteError("The object is not as large as was said.", {"size_bytes": size_bytes})
    try:
        head = b"".join(services.store.read_range(upload.key, 0, min(size_bytes, HEAD_BYTES)))
        check_content(head, upload.original_name)
    except UploadUnsupportedError:
        _forget(upload, services)
        raise
    with services.database.session() as session:
        # Its hash is not known: the bytes have never been here. Ingest reckons it when it fetches them.
        return _shown(UploadRepository(session).complete(upload_id, size_bytes=size_bytes, sha256=None))


def abort_parts(upload_id: str, services: Services) -> None:
    """Give an upload up that has begun.

    Raises:
        NotFoundError: There is no such upload under way.
    """
    upload, parts_id, _ = _under_way(upload_id, services)
    with suppress(ObjectMissingError):  # the store has swept it away
        _parts(services).abort(upload.key, parts_id)
    _forget(upload, services)


def _join(upload: KeptUpload, parts_id: str, size_bytes: int, named: dict[int, str], services: Services) -> None:
    parts = _parts(services)
    try:
        arrived = parts.sizes(upload.key, parts_id)
    except ObjectMissingError:
        if services.store.stat(upload.key) is not None:  # completed by an earlier call that died
            return
        raise UploadIncompleteError("The upload was given up: begin another.", {"upload_id": upload.id}) from None
    wanted = range(1, len(_sizes(size_bytes)) + 1)
    wrong = [number for number in wanted if number not in arrived or arrived[number][0] != named.get(number)]
    if wrong or set(named) != set(wanted):
        facts = {"parts": [str(number) for number in wrong[:20]]}
        raise UploadIncompleteError("Parts are missing, or are not those that were named.", facts)
    if sum(size for _, size in arrived.values()) != size_bytes:
        raise UploadIncompleteError("The parts are not as large as was said.", {"size_bytes": size_bytes})
    parts.complete(upload.key, parts_id, [(number, arrived[number][0]) for number in wanted])


def _addresses(upload_id: str, key: str, parts_id: str, size_bytes: int, services: Services) -> PartsUpload:
    expires_seconds = services.settings.api.presigned_seconds
    sizes = _sizes(size_bytes)
    urls = _parts(services).addresses(key, parts_id, range(1, len(sizes) + 1), expires_seconds)
    return PartsUpload(
        id=upload_id,
        source=f"{UPLOAD_SCHEME}{upload_id}",
        expires_at=datetime.now(UTC) + timedelta(seconds=expires_seconds),
        parts=tuple(
            PartAddress(number=number, size_bytes=size, url=url)
            for number, (size, url) in enumerate(zip(sizes, urls, strict=True), 1)
        ),
    )


def _sizes(size_bytes: int) -> list[int]:
    """Return the sizes of the parts: equal but for the last, none smaller than 16 MiB but the last."""
    part = max(MIN_PART_BYTES, -(-size_bytes // MOST_PARTS))
    return [min(part, size_bytes - start) for start in range(0, size_bytes, part)]


def _parts(services: Services) -> PartUploader:
    parts = services.store.part_uploads()
    if parts is None:
        raise UploadPartsUnavailableError("The object store is a folder here: send the file to `POST /uploads`.")
    return parts


def _completed(upload_id: str, services: Services) -> KeptUpload | None:
    with services.database.session() as session:
        upload = UploadRepository(session).get(upload_id, services.caller.only_owner)
    return upload if upload.state is UploadState.COMPLETE else None


def _under_way(upload_id: str, services: Services) -> tuple[KeptUpload, str, int]:
    with services.database.session() as session:
        upload = UploadRepository(session).get(upload_id, services.caller.only_owner)
    if upload.state is UploadState.COMPLETE or upload.parts_id is None or upload.size_bytes is None:
        raise NotFoundError(f"There is no upload {upload_id} under way in parts.", {"upload_id": upload_id})
    return upload, upload.parts_id, upload.size_bytes


def _forget(upload: KeptUpload, services: Services) -> None:
    services.store.delete(upload.key)
    with services.database.session() as session:
        UploadRepository(session).forget(upload.id)


def _shown(upload: KeptUpload) -> Upload:
    return Upload(
        id=upload.id,
        source=f"{UPLOAD_SCHEME}{upload.id}",
        name=upload.original_name,
        size_bytes=upload.size_bytes or 0,
        sha256=upload.sha256,
    )
