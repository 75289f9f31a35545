import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.multipart import MAX_HEADER_BYTES, ReceivedFile, receive_file, safe_name
from data.domain.errors import InputTooLargeError, InvalidRequestError

TYPE = "multipart/form-data; boundary=XX"
FILE_HEADER = b'Content-Disposition: form-data; name="file"; filename="clip.mp4"\r\nContent-Type: video/mp4\r\n\r\n'


def form(*parts: bytes) -> bytes:
    return b"".join(b"--XX\r\n" + part + b"\r\n" for part in parts) + b"--XX--\r\n"


def receive(body: bytes, target: Path, *, chunk: int = 7, content_type: str = TYPE, limit: int = 10**6) -> ReceivedFile:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), chunk):
            yield body[start : start + chunk]

    return asyncio.run(receive_file(chunks(), content_type, target, max_bytes=limit))


@pytest.mark.parametrize("chunk", [1, 3, 64, 10**6])
def test_a_file_arrives_whole_however_the_body_is_cut(tmp_path: Path, chunk: int) -> None:
    content = b"\r\n--X\r\n--XY\r\n\x00\xff" * 50
    other = b'Content-Disposition: form-data; name="title"\r\n\r\nA title'

    received = receive(form(other, FILE_HEADER + content), tmp_path / "f", chunk=chunk)

    assert (tmp_path / "f").read_bytes() == content
    assert received == ReceivedFile("clip.mp4", len(content), hashlib.sha256(content).hexdigest(), {"title": "A title"})


def test_a_file_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(tmp_path: Path) -> None:
    assert receive(form(FILE_HEADER + b"x" * 100), tmp_path / "f", limit=100).size_bytes == 100
    with pytest.raises(InputTooLargeError):
        receive(form(FILE_HEADER + b"x" * 101), tmp_path / "f", limit=100)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (form(), "no file"),
        (b"", "no file"),
        (form(b'Content-Disposition: form-data; name="file"\r\n\r\njust text'), "no file"),
        (form(FILE_HEADER), "empty"),
        (form(FILE_HEADER + b"abc")[:-8], "in the middle"),
        (form(FILE_HEADER + b"abc", FILE_HEADER + b"def"), "one file"),
        (form(FILE_HEADER.replace(b'"file"', b'"movie"') + b"abc"), "field named 'file'"),
        (b"this is no form at all", "cannot be read"),
        (form(b"X-Long: " + b"a" * (MAX_HEADER_BYTES + 1) + b"\r\n\r\n"), "header size"),
        (form(b'Content-Disposition: form-data; name="a"\r\n\r\n' + b"a" * 70_000), "fields beside the file"),
    ],
)
def test_what_is_no_upload_is_refused_in_words(tmp_path: Path, body: bytes, what: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"(?i){what}"):
        receive(body, tmp_path / "f", chunk=4096)


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "multipart/form-data", "multipart/form-data; boundary="]
)
def test_another_kind_of_body_is_refused(tmp_path: Path, content_type: str) -> None:
    with pytest.raises(InvalidRequestError, match="multipart"):
        receive(form(FILE_HEADER + b"abc"), tmp_path / "f", content_type=content_type)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("clip.mp4", "clip.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\films\\clip.mp4", "clip.mp4"),
        ("naïve – 映画.mp4", "naïve – 映画.mp4"),
        ("a\x00b\nc.mp4", "abc.mp4"),
        ("..", "upload"),
        ("", "upload"),
        ("x" * 300 + ".mp4", "x" * 196 + ".mp4"),
    ],
)
def test_a_file_name_is_only_a_name(name: str, safe: str) -> None:
    assert safe_name(name) == safe
