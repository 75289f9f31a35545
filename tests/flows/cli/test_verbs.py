"""Every verb of the command line that is one call: which one, and what it prints of the answer."""

from typing import Any

import pytest

from data.domain.recipes import Recipe
from flows.__main__ import main
from tests.fakes.played_api import played_api
from tests.flows.cli.test_batches import batch

SPREAD = {"p50": None, "p95": None, "longest": None}
METRICS = {
    "since": "2026-01-01T00:00:00Z",
    "states": {"failed": 2},
    "ended": 2,
    "looked_at": 2,
    "success_rate": 0.0,
    "failures": {"INFRA": 2},
    "recipes": {"quick": 2},
    "retries": 1,
    "step_retries": 2,
    "wait_seconds": SPREAD,
    "run_seconds": {"p50": 1.0, "p95": 2.0, "longest": 3.0},
}
TRANSITION = {
    "at": "2026-01-01T00:00:00Z",
    "state": "failed",
    "reason": "time_limit",
    "prefect_state": "Failed",
    "message": None,
}
MADE = {
    "items": [{"kind": "captions", "created_at": "2026-01-01T00:00:00Z", "key": "k"}],
    "asset_id": "a",
    "generations": [],
    "publication": {"version": 3, "published_at": "2026-01-01T00:00:00Z", "urls": {"watch": "/watch/a"}},
}
SUMMARY = {"name": "quick", "origin": "shipped", "version": 2, "description": "Small."}
RANKED = {"asset_id": "a", "votes": 7, "title": "A clip"}
ITEM = {
    "row": 1,
    "custom_id": "n-1042",
    "source": "/a.mp4",
    "state": "failed",
    "reason": None,
    "step": "ingest",
    "attempt": 1,
    "code": "DATA.INPUT.CORRUPT",
    "message": "It is broken.",
}


@pytest.mark.parametrize(
    ("words", "answer", "call", "said"),
    [
        ("job metrics --hours 3", METRICS, "GET /jobs/metrics?hours=3", "2 INFRA"),
        ("job history x", {"items": [TRANSITION]}, "GET /jobs/x/history", "failed (time_limit)"),
        ("job artifacts x", MADE, "GET /jobs/x/artifacts", "version 3"),
        ("batch list", {"items": [batch()], "next": None}, "GET /batches?limit=20", "Nightly [newsroom]"),
        ("batch show x", batch(failed=2), "GET /batches/x", "2 failed"),
        ("batch items x --state failed", {"items": [ITEM], "next": None}, "GET /batches/x/items?", "n-1042"),
        ("batch start x", batch("running"), "POST /batches/x/start", "running"),
        ("batch pause x", batch("paused"), "POST /batches/x/pause", "paused"),
        ("batch resume x", batch("running"), "POST /batches/x/resume", "running"),
        ("batch cancel x", batch("cancelled"), "POST /batches/x/cancel", "cancelled"),
        ("asset delete a", {}, "DELETE /assets/a", ""),
        ("asset delete a --source", {}, "DELETE /assets/a/source", ""),
        ("asset vote a", {"votes": 7}, "POST /assets/a/vote", "7 votes"),
        ("asset vote a --take-back", {"votes": 6}, "DELETE /assets/a/vote", "6 votes"),
        ("asset ranking", {"items": [RANKED], "next": None}, "GET /assets/ranking?limit=20", "A clip"),
        ("asset list --mine --public", {"items": [], "next": None}, "GET /assets?mine=true&public=true", ""),
        ("recipe list", {"items": [SUMMARY], "broken": [], "next": None}, "GET /recipes", "Small."),
        ("recipe show quick", {"recipe": Recipe().model_dump(mode="json")}, "GET /recipes/quick", "captions:"),
        ("schedule on nightly", {}, "PATCH /schedules/nightly", ""),
        ("schedule off nightly", {}, "PATCH /schedules/nightly", ""),
        ("schedule remove nightly", {}, "DELETE /schedules/nightly", ""),
    ],
)
def test_a_verb_is_one_call(
    capsys: pytest.CaptureFixture[str], words: str, answer: dict[str, Any], call: str, said: str
) -> None:
    with played_api() as api:
        api.answers = [answer]

        assert main([*words.split(), "--api", api.url]) == 0, capsys.readouterr().err

    [(method, path, _)] = api.calls
    assert f"{method} {path.removeprefix('/api/v1')}".startswith(call)
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(("verb", "is_active"), [("on", b"true"), ("off", b"false")])
def test_a_schedule_is_switched(verb: str, is_active: bytes) -> None:
    with played_api() as api:
        api.answers = [{}]
        main(["schedule", verb, "nightly", "--api", api.url])

    assert api.calls[0][2] == b'{"is_active":' + is_active + b"}"


def test_a_schedule_is_made_with_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    with played_api() as api:
        api.answers = [{"name": "late"}]
        words = ["late", "0 22 * * *", "s3://camera/{date}.csv", "--zone", "Europe/Berlin", "--recipe", "quick"]

        assert main(["schedule", "add", *words, "--api", api.url]) == 0

    [(method, path, body)] = api.calls
    assert (method, path) == ("POST", "/api/v1/schedules")
    assert b'"time_zone":"Europe/Berlin"' in body
    assert b'"recipe":"quick"' in body
    assert capsys.readouterr().out == "late\n"


@pytest.mark.parametrize("kind", ["rejects", "retry-manifest", "results"])
def test_files_of_a_batch_are_printed(capfdbinary: pytest.CaptureFixture[bytes], kind: str) -> None:
    with played_api() as api:
        api.answers = [b"source\n/a.mp4\n"]

        assert main(["batch", kind, "x", "--api", api.url]) == 0

    assert api.calls[0][1].startswith(f"/api/v1/batches/x/{kind}")
