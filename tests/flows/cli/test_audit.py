"""``python -m flows audit``: against answers played by a server here."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.__main__ import main
from tests.fakes.played_api import PlayedApi, played_api


@pytest.fixture
def api() -> Iterator[PlayedApi]:
    with played_api() as played:
        yield played


CALL: dict[str, Any] = {
    "sequence": 7,
    "kind": "access",
    "at": "2026-11-21T21:00:00Z",
    "user": "ann",
    "key": "k1",
    "address": "10.0.0.7",
    "method": "POST",
    "route": "/api/v1/jobs/{job_id}/cancel",
    "resource": "j1",
    "status": 202,
}
MOVE: dict[str, Any] = {
    "sequence": 8,
    "kind": "transition",
    "at": "2026-11-21T21:00:01Z",
    "user": None,
    "key": None,
    "address": None,
    "job": "j1",
    "from_state": "running",
    "to_state": "cancelling",
    "reason": None,
}
WHOLE: dict[str, Any] = {"ok": True, "checked": 8, "heads": 2, "fault": None}


def test_the_timeline_is_a_table(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers = [{"items": [MOVE, CALL], "next": None}]

    words = ["--job", "j1", "--kind", "access", "--scope", "write", "--trace", "4bf9", "--route", "/api/v1/jobs"]
    assert main(["audit", "list", *words, "--api", api.url]) == 0

    shown = capsys.readouterr().out
    assert "ann/k1" in shown
    assert "POST /api/v1/jobs/{job_id}/cancel" in shown
    assert "running → cancelling" in shown
    asked = "kind=access&scope=write&job=j1&trace_id=4bf9&route=%2Fapi%2Fv1%2Fjobs&limit=50"
    assert api.calls == [("GET", f"/api/v1/audit?{asked}", b"")]


def test_a_whole_chain_is_said_to_be_whole(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers = [WHOLE]

    assert main(["audit", "verify", "--api", api.url]) == 0
    assert "Whole: 8 entries and 2 kept heads." in capsys.readouterr().out


def test_a_chain_that_was_tampered_with_is_an_error(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers = [{**WHOLE, "ok": False, "fault": {"sequence": 3, "problem": "changed: its hash is another"}}]

    assert main(["audit", "verify", "--api", api.url]) == 1
    assert "Entry 3: changed" in capsys.readouterr().err


def test_an_export_becomes_a_file(api: PlayedApi, tmp_path: Path) -> None:
    lines = b"".join(json.dumps({"sequence": n}).encode() + b"\n" for n in range(3))
    api.answers = [lines]

    assert main(["audit", "export", str(tmp_path / "audit.jsonl"), "--user", "ann", "--api", api.url]) == 0
    assert (tmp_path / "audit.jsonl").read_bytes() == lines
    assert api.calls == [("GET", "/api/v1/audit/export?user=ann", b"")]
