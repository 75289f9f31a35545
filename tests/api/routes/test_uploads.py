"""Uploads stream: what arrives is hashed, kept, and never whole in memory."""

import hashlib
import os
import socket
from collections.abc import Iterator

import httpx
import pytest

from data.database import Database
from data.repositories import UploadRepository
from data.settings import Settings
from data.storage import ObjectStore
from tests.api.conftest import MAX_UPLOAD_BYTES
from tests.fakes.processes import wait_until

UPLOADS = "/api/v1/uploads"


def test_an_upload_is_kept_and_can_be_given_to_a_job(api: httpx.Client, database: Database, store: ObjectStore) -> None:
    content = b"\x00\x00\x00\x18ftypisom" + os.urandom(3_000_000)

    answer = api.post(UPLOADS, files={"file": ("Ein Füllen.mp4", content, "video/mp4")})

    upload = answer.json()
    assert answer.status_code == 201
    assert upload["source"] == f"upload:{upload['id']}"
    assert (upload["name"], upload["size_bytes"]) == ("Ein Füllen.mp4", len(content))
    assert upload["sha256"] == hashlib.sha256(content).hexdigest()
    with database.session() as session:
        kept = UploadRepository(session).get(upload["id"])
    assert (kept.state, kept.sha256) == ("complete", upload["sha256"])
    assert store.get_bytes(kept.key) == content
    assert api.post("/api/v1/jobs", json={"source": upload["source"]}).status_code == 202


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("page.mp4", b"<!DOCTYPE html><script>alert(1)</script>"),
        ("bomb.mp4", b"PK\x03\x04" + bytes(400)),
        ("bomb.csv", b"\x1f\x8b\x08" + bytes(400)),
        ("list.mp4", b"#EXTM3U\nfile:///etc/passwd\n"),
        ("list.txt", b"ffconcat version 1.0\nfile /etc/passwd\n"),
        ("drawing.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("run.mp4", b"#!/bin/sh\nrm -rf /\n"),
        ("program.mp4", b"\x7fELF" + bytes(400)),
    ],
)
def test_what_only_calls_itself_a_video_is_refused(api: httpx.Client, name: str, content: bytes) -> None:
    answer = api.post(UPLOADS, files={"file": (name, content, "video/mp4")})

    assert (answer.status_code, answer.json()["code"]) == (415, "REQUEST.UPLOAD.UNSUPPORTED")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("night.csv", "custom_id,source\nä,/media/a.mp4\n".encode() * 1000),
        ("night.jsonl", b'{"source": "https://media.example/a.mp4"}\n'),
        ("night.parquet", b"PAR1" + bytes(100)),
        ("logo.png", b"\x89PNG\r\n\x1a\n" + bytes(100)),
        ("music.wav", b"RIFF\0\0\0\0WAVEfmt " + bytes(100)),
    ],
)
def test_manifests_pictures_and_sound_are_taken(api: httpx.Client, name: str, content: bytes) -> None:
    assert api.post(UPLOADS, files={"file": (name, content)}).status_code == 201


def test_an_empty_upload_is_refused(api: httpx.Client) -> None:
    answer = api.post(UPLOADS, files={"file": ("clip.mp4", b"", "video/mp4")})

    assert (answer.status_code, answer.json()["code"]) == (422, "REQUEST.INVALID")


def test_a_body_that_is_no_form_is_refused(api: httpx.Client) -> None:
    assert api.post(UPLOADS, content=b"abc", headers={"Content-Type": "video/mp4"}).status_code == 422


def test_an_upload_that_says_it_is_too_large_is_refused_before_it_is_sent(api_url: str) -> None:
    address = httpx.URL(api_url)
    with socket.create_connection((address.host, address.port or 80), timeout=20) as connection:
        connection.sendall(
            f"POST {UPLOADS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {MAX_UPLOAD_BYTES * 2}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode()
        )
        answer = connection.recv(65536).decode()

    assert " 413 " in answer
    assert "DATA.INPUT.TOO_LARGE" in answer


def test_an_upload_that_turns_out_too_large_is_refused_and_leaves_nothing(
    api: httpx.Client, settings: Settings
) -> None:
    def body() -> Iterator[bytes]:
        yield b'--XX\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
        for _ in range(MAX_UPLOAD_BYTES // 2**20 + 1):
            yield bytes(2**20)
        yield b"\r\n--XX--\r\n"

    answer = api.post(UPLOADS, content=body(), headers={"Content-Type": "multipart/form-data; boundary=XX"})

    assert (answer.status_code, answer.json()["code"]) == (413, "DATA.INPUT.TOO_LARGE")
    assert list(settings.scratch_path.glob("upload-*")) == []


def test_a_sender_who_leaves_in_the_middle_leaves_nothing(api_url: str, settings: Settings) -> None:
    address = httpx.URL(api_url)
    with socket.create_connection((address.host, address.port or 80), timeout=20) as connection:
        connection.sendall(
            f"POST {UPLOADS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n"
            "Content-Type: multipart/form-data; boundary=XX\r\n\r\n"
            '--XX\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'.encode()
            + bytes(2_000_000)
        )
        wait_until(lambda: bool(list(settings.scratch_path.glob("upload-*"))), 20, "the upload to be under way")

    wait_until(lambda: not list(settings.scratch_path.glob("upload-*")), 20, "the scratch directory to be removed")
