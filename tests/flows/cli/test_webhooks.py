"""``python -m flows webhook``: against answers played by a server here."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from flows.__main__ import main
from tests.fakes.played_api import PlayedApi, played_api


@pytest.fixture
def api() -> Iterator[PlayedApi]:
    with played_api() as played:
        yield played


ENDPOINT: dict[str, Any] = {
    "id": "whk_1",
    "url": "https://receiver.example",
    "events": ["job.*"],
    "created_at": "2026-11-21T21:00:00Z",
    "disabled_at": None,
    "disabled_reason": None,
    "failing_since": None,
    "failures": 0,
}
DELIVERY: dict[str, Any] = {
    "id": "dlv_1",
    "state": "failed",
    "type": "job.failed",
    "subject": "j1",
    "attempts": 10,
    "last_status": 500,
    "last_error": "It answered 500.",
    "next_at": None,
    "url": "https://receiver.example",
}


def test_who_is_told_is_listed_with_how_it_is(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    off = ENDPOINT | {"disabled_at": "2026-11-21T21:00:00Z", "disabled_reason": "gone"}
    failing = ENDPOINT | {"failing_since": "2026-11-21T21:00:00Z", "failures": 3}
    api.answers = [{"items": [ENDPOINT, off, failing], "next": None}]

    assert main(["webhook", "list", "--api", api.url]) == 0

    said = capsys.readouterr().out
    assert "off (gone)" in said
    assert "failing (3)" in said


def test_a_new_one_says_its_secret(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers = [ENDPOINT | {"secret": "whsec_x"}]

    assert main(["webhook", "add", "https://receiver.example", "--event", "job.*", "--api", api.url]) == 0

    assert json.loads(api.calls[0][2]) == {"url": "https://receiver.example", "description": "", "events": ["job.*"]}
    assert "whsec_x" in capsys.readouterr().out


def test_deliveries_are_listed(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers = [{"items": [DELIVERY], "next": None}]

    assert main(["webhook", "deliveries", "--state", "failed", "--job", "j1", "--api", api.url]) == 0

    assert "state=failed" in api.calls[0][1]
    assert "job_id=j1" in api.calls[0][1]
    assert "500" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "answer", "path"),
    [
        (["test", "whk_1"], DELIVERY, "/webhooks/whk_1/test"),
        (["replay", "dlv_1"], DELIVERY, "/webhooks/deliveries/dlv_1/replay"),
        (["replay", "whk_1", "--since", "2026-11-22T06:00:00Z"], {"count": 3}, "/webhooks/whk_1/replay"),
    ],
)
def test_things_are_sent(api: PlayedApi, arguments: list[str], answer: dict[str, Any], path: str) -> None:
    api.answers = [answer]

    assert main(["webhook", *arguments, "--api", api.url]) == 0

    assert api.calls[0][:2] == ("POST", f"/api/v1{path}")
