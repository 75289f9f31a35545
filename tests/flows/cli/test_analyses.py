"""Videos looked at from the command line, and what was found read there."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.settings import get_settings
from flows.__main__ import main
from tests.fakes.played_api import Elsewhere, PlayedApi, played_api
from tests.fakes.sightings import EVENTS, SUMMARY
from tests.flows.cli.test_jobs import JOB

ZONES = '[{"name": "Door", "points": [[0, 0], [1, 0], [1, 1]]}]'
FILES = "/api/v1/assets/a1/analysis/k/files"
ANALYSIS = {
    "asset_id": "a1",
    "created_at": JOB["created_at"],
    "summary": SUMMARY.model_dump(mode="json"),
    "sentences": ["2 moving things were followed."],
    "urls": {"telemetry": f"{FILES}/telemetry.parquet", "annotated": None},
}


@pytest.fixture
def api() -> Iterator[PlayedApi]:
    with played_api() as played:
        yield played


def test_zones_are_taken_as_json_or_from_a_file(api: PlayedApi, tmp_path: Path) -> None:
    (tmp_path / "zones.json").write_text(ZONES)

    for zones in (ZONES, str(tmp_path / "zones.json")):
        api.answers = [JOB]
        assert main(["asset", "analyze", "a1", "--fps", "5", "--zones", zones, "--api", api.url]) == 0
        assert api.calls[-1][1] == "/api/v1/assets/a1/analyze"
        assert json.loads(api.calls[-1][2]) == {"options": {"fps": 5.0, "zones": ZONES}, "priority": "default"}


def test_a_source_is_looked_at_that_is_no_asset_yet(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers = [JOB]

    assert main(["asset", "analyze", "--source", "upload:0f8c2d", "--api", api.url]) == 0
    assert main(["asset", "analyze", "--api", api.url]) == 1

    [(method, path, body)] = api.calls
    assert (method, path) == ("POST", "/api/v1/analyses")
    assert json.loads(body)["source"] == "upload:0f8c2d"
    assert "either an asset, or a --source" in capsys.readouterr().err


def test_zones_that_are_not_there_are_one_line(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["asset", "analyze", "a1", "--zones", "/nowhere.json", "--api", api.url]) == 1

    assert "/nowhere.json cannot be read" in capsys.readouterr().err


def test_zones_are_never_cut(api: PlayedApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "zones.json").write_text(ZONES + " " * 1_000_000)

    assert main(["asset", "analyze", "a1", "--zones", str(tmp_path / "zones.json"), "--api", api.url]) == 1
    assert "more than 1,000,000 bytes" in capsys.readouterr().err
    assert api.calls == []


def test_what_was_found_is_said_in_sentences(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers = [ANALYSIS]
    assert main(["asset", "analysis", "a1", "--api", api.url]) == 0

    told = capsys.readouterr().out
    assert "2 moving things were followed." in told
    assert "1 enter" in told


def test_a_file_that_the_object_store_has_is_fetched_there_without_the_key(
    api: PlayedApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAILIES_API_KEY", "the-key")
    get_settings.cache_clear()
    with played_api() as store:
        store.answers = [b"PAR1"]
        api.answers = [ANALYSIS, Elsewhere(f"{store.url}/bucket/telemetry.parquet?signature=x")]
        target = tmp_path / "t.parquet"
        assert main(["asset", "analysis", "a1", "--file", "telemetry", "--output", str(target), "--api", api.url]) == 0
    get_settings.cache_clear()

    assert target.read_bytes() == b"PAR1"
    assert (api.keys, store.keys) == (["the-key", "the-key"], [None])


def test_a_file_that_there_is_not_is_not_fetched(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers = [ANALYSIS]
    assert main(["asset", "analysis", "a1", "--file", "annotated", "--api", api.url]) == 1

    assert "no annotated" in capsys.readouterr().err


def test_events_of_an_asset_or_a_job_are_listed(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    page = {"items": [event.model_dump(mode="json") for event in EVENTS], "next": None}
    api.answers = [page]
    assert main(["asset", "events", "a1", "--type", "enter", "--from", "0.2", "--api", api.url]) == 0
    assert "type=enter" in api.calls[-1][1]
    assert "from=0.2" in api.calls[-1][1]
    assert "Door" in capsys.readouterr().out

    api.answers = [page]
    assert main(["asset", "events", "j1", "--job", "--json", "--api", api.url]) == 0
    assert api.calls[-1][1].startswith("/api/v1/jobs/j1/events")
    assert len(json.loads(capsys.readouterr().out)) == len(EVENTS)


@pytest.mark.parametrize(("written", "why"), [("{bad", "cannot be read"), ('{"zones": []}', "are no list")])
def test_a_file_that_holds_no_zones_is_one_line(
    api: PlayedApi, tmp_path: Path, capsys: pytest.CaptureFixture[str], written: str, why: str
) -> None:
    (tmp_path / "zones.json").write_text(written)

    assert main(["asset", "analyze", "a1", "--zones", str(tmp_path / "zones.json"), "--api", api.url]) == 1

    assert f"zones.json {why}" in capsys.readouterr().err
    assert api.calls == []
