"""``python -m flows generation`` and ``provider``: against answers played by a server here."""

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


GENERATION: dict[str, Any] = {
    "id": "g1",
    "state": "held",
    "provider": "farm",
    "provider_id": None,
    "price": 0.5,
    "charged": None,
    "attempts": 1,
    "job_id": "j1",
    "created_at": "2026-11-21T21:00:00Z",
    "code": "PROVIDER.GENERATION.HELD",
}
PROVIDER: dict[str, Any] = {
    "name": "farm",
    "engine": "comfyui",
    "health": "unhealthy",
    "breaker": "open",
    "failures": 5,
    "response_seconds": 0.25,
    "making_seconds": None,
    "generations": 12,
    "charged": 6.0,
    "checked_at": None,
}


def test_the_ledger_is_listed_with_its_sums(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    totals = {"count": 1, "charged": 0.0, "reserved": 0.5}
    api.answers = [{"items": [GENERATION], "totals": totals, "currency": "USD", "next": None}]

    assert main(["generation", "list", "--state", "held", "--provider", "farm", "--api", api.url]) == 0

    [(_, path, _)] = api.calls
    assert "state=held" in path
    assert "provider=farm" in path
    said = capsys.readouterr().out
    assert "PROVIDER.GENERATION.HELD" in said
    assert "0.00 USD charged, 0.50 reserved" in said


def test_what_is_held_is_adopted_under_the_providers_id(api: PlayedApi) -> None:
    api.answers = [GENERATION | {"state": "accepted"}]

    assert main(["generation", "adopt", "g1", "theirs", "--api", api.url]) == 0

    [(method, path, body)] = api.calls
    assert (method, path, json.loads(body)) == ("POST", "/api/v1/generations/g1/adopt", {"provider_id": "theirs"})


@pytest.mark.parametrize("move", ["release", "drop"])
def test_what_is_held_is_decided_about(api: PlayedApi, move: str) -> None:
    api.answers = [GENERATION]

    assert main(["generation", move, "g1", "--api", api.url]) == 0
    assert api.calls[0][:2] == ("POST", f"/api/v1/generations/g1/{move}")


def test_providers_are_shown_with_their_health(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers = [
        {"items": [PROVIDER], "currency": "USD", "day_budget": 10, "charged_today": 6.0, "policy": "cheapest"}
    ]

    assert main(["provider", "status", "--api", api.url]) == 0

    said = capsys.readouterr().out
    assert "unhealthy" in said
    assert "6.00 of 10.00 USD; policy: cheapest" in said


def test_a_test_fails_unless_all_would_take_work(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    down = {"provider": "farm", "is_ok": False, "seconds": 1.0, "code": "PROVIDER.UNAVAILABLE", "message": "Down."}
    api.answers = [{"run_id": "r", "items": [down]}]

    assert main(["provider", "test", "farm", "--api", api.url]) == 1

    assert "Not ready: farm." in capsys.readouterr().err
    assert json.loads(api.calls[0][2]) == {"providers": ["farm"]}


def test_a_provider_is_reset(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers = [PROVIDER | {"health": "healthy"}]

    assert main(["provider", "reset", "farm", "--api", api.url]) == 0

    assert api.calls[0][1] == "/api/v1/providers/farm/reset"
    assert "farm: healthy" in capsys.readouterr().out
