"""``python -m flows batch``, ``schedule`` and ``recipe``: against answers played by a server here."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from data.domain.batches import BatchOptions
from flows.__main__ import main
from flows.cli.batch_calls import moment
from flows.cli.client import ApiError
from tests.fakes.played_api import PlayedApi, played_api

ENDS = ("pending", "feeding", "queued", "running", "succeeded", "failed", "skipped", "rejected", "cancelled")


def batch(state: str = "completed", *, reason: str | None = None, **counts: int) -> dict[str, Any]:
    """A batch as the API shows it."""
    rows = sum(counts.values())
    ended = sum(counts.get(name, 0) for name in ENDS[4:])
    return {
        "id": "0b9c2f6e-5a1d-4a7c-9f7e-0d3f1c2b4a59",
        "name": "Nightly [newsroom]",
        "manifest": "s3://newsroom/tonight.csv",
        "state": state,
        "reason": reason,
        "message": "",
        "asked": None,
        "counts": {**dict.fromkeys(ENDS, 0), **counts, "rows": rows, "ended": ended, "balances": ended == rows},
        "progress": {"share": 0.5, "items_per_minute": 12.5, "finishes_at": "2026-11-22T04:40:00Z"},
        "spent": 0.0,
        "currency": "USD",
        "plan": None,
        "options": BatchOptions().model_dump(mode="json"),
        "retry_of": None,
        "created_at": "2026-11-21T21:00:00Z",
        "started_at": None,
        "ended_at": None,
        "moves": [],
        "links": {"report": "/api/v1/batches/x/report", "prefect": None},
    }


@pytest.fixture
def api() -> Iterator[PlayedApi]:
    with played_api() as played:
        yield played


def test_watching_says_each_change_and_how_it_ended(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers = [batch("running", running=2), batch("running", succeeded=1, running=1), batch(succeeded=2)]

    assert main(["batch", "watch", "x", "--api", api.url]) == 0

    said = capsys.readouterr().out
    assert "2: 2 running" in said
    assert "2: 1 succeeded; 1 running" in said
    assert "2 = 2 succeeded" in said
    assert "12.5 a minute" in said


@pytest.mark.parametrize(
    ("ended", "why"),
    [
        (batch("stopped", reason="failure_budget", failed=2), "is stopped: failure_budget"),
        (batch("planned", reason="approval_needed", pending=2) | {"moves": ["start"]}, "approval_needed"),
        (batch(succeeded=1) | {"counts": batch(succeeded=1)["counts"] | {"balances": False}}, "account for every row"),
    ],
)
def test_watching_fails_unless_all_is_well(
    api: PlayedApi, capsys: pytest.CaptureFixture[str], ended: dict[str, Any], why: str
) -> None:
    api.answers = [ended]

    assert main(["batch", "watch", "x", "--api", api.url]) == 1
    assert why in capsys.readouterr().err


def test_a_file_that_is_here_is_handed_in_with_its_options(api: PlayedApi, tmp_path: Path) -> None:
    manifest = tmp_path / "night.csv"
    manifest.write_text("source\n/a.mp4\n")
    api.answers = [batch("received")]
    words = ["--canary", "5", "--window", "22:00-06:00", "--time-zone", "Europe/Berlin", "--at-end", "pause"]

    assert main(["batch", "submit", str(manifest), *words, "--api", api.url]) == 0

    [(method, path, body)] = api.calls
    assert (method, path) == ("POST", "/api/v1/batches")
    assert b'filename="night.csv"' in body
    assert b'"canary_items":5' in body
    assert b'"time_zone":"Europe/Berlin"' in body


def test_a_deadline_is_a_span_from_now_or_a_time(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers = [batch("received")]

    for deadline in ("8h", "2026-11-23T06:00+01:00"):
        assert main(["batch", "submit", "s3://x/y.csv", "--finish-by", deadline, "--api", api.url]) == 0
    assert main(["batch", "submit", "s3://x/y.csv", "--finish-by", "tomorrow", "--api", api.url]) == 1
    assert main(["schedule", "add", "night", "0 22 * * *", "--finish-by", "8h", "--api", api.url]) == 1

    spans, times = (json.loads(body)["options"]["finish_by"] for _, _, body in api.calls)
    in_eight_hours = datetime.now(UTC) + timedelta(hours=8)
    assert abs(in_eight_hours - datetime.fromisoformat(spans)) < timedelta(minutes=1)
    assert datetime.fromisoformat(times) == datetime(2026, 11, 23, 5, tzinfo=UTC)
    assert "neither a span" in capsys.readouterr().err


def test_an_address_is_handed_in_as_it_is(api: PlayedApi) -> None:
    api.answers = [batch("received")]

    assert main(["batch", "submit", "s3://newsroom/tonight.csv", "--name", "Night", "--api", api.url]) == 0

    body = json.loads(api.calls[0][2])
    assert body == {"manifest": "s3://newsroom/tonight.csv", "name": "Night", "options": {}}


def test_every_option_of_a_batch_reaches_the_api(api: PlayedApi) -> None:
    api.answers = [batch("received")]
    numbers = [
        "--max-failed",
        "0.2",
        "--max-failed-after",
        "5",
        "--same-code",
        "3",
        "--pack-seconds",
        "0",
        "--item-attempts",
        "2",
    ]

    words = [*numbers, "--max-concurrency", "7", "--webhook", "whk_1"]
    assert main(["batch", "submit", "s3://newsroom/tonight.csv", *words, "--api", api.url]) == 0

    body = json.loads(api.calls[0][2])
    assert body["options"] == {
        "failure_budget": {"share": 0.2, "min_items": 5, "same_code": 3},
        "pack_seconds": 0,
        "item_attempts": 2,
        "max_concurrency": 7,
    }
    assert body["webhooks"] == ["whk_1"]


def test_options_that_do_not_fit_are_refused_before_anything_is_asked(
    api: PlayedApi, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["batch", "submit", "s3://x/y", "--window", "ten to six", "--api", api.url]) == 1
    assert capsys.readouterr().err.startswith("These options do not fit:")
    assert api.calls == []


def test_rows_to_try_again_are_chosen(api: PlayedApi) -> None:
    api.answers = [batch("received")]

    chosen = ["--class", "INFRA", "--code", "DATA.INPUT", "--provider", "p"]

    assert main(["batch", "retry", "x", *chosen, "--api", api.url]) == 0

    [(method, path, body)] = api.calls
    assert (method, path) == ("POST", "/api/v1/batches/x/retry")
    rows = json.loads(body)["rows"]
    assert (rows["classes"], rows["codes"], rows["providers"]) == (["INFRA"], ["DATA.INPUT"], ["p"])
    assert (rows["steps"], rows["ended_before"]) == ([], None)


def test_a_span_is_counted_from_now() -> None:
    text = moment("2h")

    assert text is not None
    assert abs(datetime.now(UTC) - timedelta(hours=2) - datetime.fromisoformat(text)) < timedelta(minutes=1)
    with pytest.raises(ApiError):
        moment("yesterday")


def test_a_file_is_fetched_whole_or_not_at_all(api: PlayedApi, tmp_path: Path) -> None:
    api.answers = [b"<html>"]

    assert main(["batch", "report", "x", "--output", str(tmp_path / "r.html"), "--api", api.url]) == 0

    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
    assert (tmp_path / "r.html").read_bytes() == b"<html>"


def test_schedules_are_listed_with_what_they_take(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    schedule = {"name": "nightly", "cron": "0 22 * * *", "time_zone": "UTC", "is_active": False, "manifest": ""}
    api.answers = [{"items": [{**schedule, "next_runs": []}], "next": None}]

    assert main(["schedule", "list", "--api", api.url]) == 0

    assert "0 22 * * *  UTC        off" in capsys.readouterr().out


def test_a_file_that_cannot_be_written_is_one_line(
    api: PlayedApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answers = [{}]

    assert main(["batch", "report", "x", "--output", str(tmp_path / "nowhere" / "x.html"), "--api", api.url]) == 1

    assert capsys.readouterr().err.endswith("x.html cannot be written: No such file or directory.\n")


def test_a_batch_is_shown_with_zones_of_its_times_and_a_whole_address(
    api: PlayedApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answers = [batch(succeeded=2)]

    assert main(["batch", "show", "x", "--api", api.url]) == 0

    said = capsys.readouterr().out
    zone = datetime(2026, 11, 21, 21, tzinfo=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    assert zone in said
    assert f"{api.url}/api/v1/batches/x/report" in said


def test_rows_that_are_still_being_read_are_no_sum(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    reading = batch("validating", skipped=1, pending=3)
    reading["counts"] |= {"rows": 0, "balances": False}
    api.answers = [reading]

    assert main(["batch", "show", "x", "--api", api.url]) == 0

    said = capsys.readouterr().out
    assert "1 skipped, 3 pending" in said
    assert "0:" not in said.partition("Rows")[2].partition("\n")[0]
