"""A multipart upload, straight from the socket to a file: hashed on the way, never whole in memory."""

import asyncio
import errno
import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from data.domain.errors import DiskFullError, InputTooLargeError, InvalidRequestError

FILE_FIELD = "file"
"""The name of the form field that carries an upload."""
FLUSH_BYTES = 1024 * 1024
"""How much is gathered before a thread writes it: the event loop never waits for a disk."""
MAX_HEADER_BYTES = 8 * 1024
"""Longest header of a part."""
MAX_OTHER_BYTES = 64 * 1024
"""Room for form fields beside the file."""


@dataclass(frozen=True)
class ReceivedFile:
    """A file that arrived whole."""

    name: str
    """As the sender calls it, without folders."""
    size_bytes: int
    sha256: str
    fields: Mapping[str, str]
    """What the other fields of the form say."""


async def receive_file(
    chunks: AsyncIterator[bytes], content_type: str, target: Path, *, max_bytes: int, field: str = FILE_FIELD
) -> ReceivedFile:
    """Write the file of a multipart body to ``target``.

    Args:
        chunks: The body as it arrives.
        content_type: The request's ``Content-Type``, which names the boundary.
        target: Where to write; the caller removes it.
        max_bytes: Largest file.
        field: The name of the form field that carries the file.

    Raises:
        InvalidRequestError: Not multipart, no file in it, an empty one, several, or the body ends too early.
        InputTooLargeError: The file is larger than ``max_bytes``.
        DiskFullError: No space is left.
    """
    reader = _Reader(_boundary(content_type), max_bytes, field)
    digest = hashlib.sha256()
    with target.open("wb") as file:
        async for chunk in chunks:
            reader.feed(chunk)
            if len(reader.pending) >= FLUSH_BYTES:
                await asyncio.to_thread(_write, file, digest, reader.take())
        await asyncio.to_thread(_write, file, digest, reader.take())
    return ReceivedFile(reader.finished_name(), reader.size_bytes, digest.hexdigest(), reader.fields())


class _Reader:
    """The parser's state for one body; gathers the bytes of the one file part. Lives as long as the request."""

    def __init__(self, boundary: bytes, max_bytes: int, field: str) -> None:
        self._field = field
        self._others: dict[str, bytearray] = {}
        self._other_name = ""
        self.pending = bytearray()
        self.size_bytes = 0
        self._max_bytes = max_bytes
        self._name: str | None = None
        self._is_file = False
        self._is_complete = False
        self._header = bytearray()
        self._value = bytearray()
        self._disposition = b""
        self._other_bytes = 0
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_part_data": self._part_data,
                "on_header_begin": self._begin_header,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._headers_finished,
                "on_end": self._end,
            },
            max_header_size=MAX_HEADER_BYTES,
        )

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise InvalidRequestError(f"The multipart body cannot be read: {error}") from error

    def take(self) -> bytes:
        taken = bytes(self.pending)
        self.pending.clear()
        return taken

    def finished_name(self) -> str:
        """Return the file's name once everything is in.

        Raises:
            InvalidRequestError: Something is missing.
        """
        if self._name is None:
            raise InvalidRequestError(f"The form has no file in a field named {self._field!r}.", {"field": self._field})
        if not self._is_complete:
            raise InvalidRequestError("The upload ends in the middle.", {"received_bytes": self.size_bytes})
        if not self.size_bytes:
            raise InvalidRequestError("The file is empty.", {"field": self._field})
        return self._name

    def fields(self) -> dict[str, str]:
        """Return what the fields beside the file say."""
        return {name: value.decode("utf-8", "replace") for name, value in self._others.items()}

    def _begin_part(self) -> None:
        self._disposition = b""
        self._is_file = False

    def _begin_header(self) -> None:
        self._header.clear()
        self._value.clear()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"filename" not in options:
            self._other_name = options.get(b"name", b"").decode("utf-8", "replace")
            return
        if options.get(b"name") != self._field.encode():
            raise InvalidRequestError(f"The file must be in a field named {self._field!r}.", {"field": self._field})
        if self._name is not None:
            raise InvalidRequestError("One upload takes one file; send the others apart.", {"field": self._field})
        self._is_file = True
        self._name = safe_name(options[b"filename"].decode("utf-8", "replace"))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if not self._is_file:
            self._other_bytes += end - start
            if self._other_bytes > MAX_OTHER_BYTES:
                raise InvalidRequestError(f"The fields beside the file take more than {MAX_OTHER_BYTES} bytes.")
            self._others.setdefault(self._other_name, bytearray()).extend(data[start:end])
            return
        self.size_bytes += end - start
        if self.size_bytes > self._max_bytes:
            raise too_large(self._max_bytes)
        self.pending += data[start:end]

    def _end(self) -> None:
        self._is_complete = True


def too_large(max_bytes: int) -> InputTooLargeError:
    """Return the refusal of a file that is larger than taken."""
    return InputTooLargeError(f"The upload is larger than {max_bytes} bytes.", {"max_bytes": max_bytes})


def safe_name(name: str) -> str:
    """Return a file name for people: the last part of a path of any system, printable, at most 200 characters."""
    last = PurePosixPath(name.replace("\\", "/")).name
    printable = "".join(character for character in last if character.isprintable()).strip()
    return printable[-200:] if printable.strip(".") else "upload"


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise InvalidRequestError(
            "An upload is a `multipart/form-data` body with a boundary.", {"content_type": content_type[:200]}
        )
    return options[b"boundary"]


def _write(file: IO[bytes], digest: "hashlib._Hash", data: bytes) -> None:
    digest.update(data)
    try:
        file.write(data)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError("No space is left for uploads.") from error
        raise
