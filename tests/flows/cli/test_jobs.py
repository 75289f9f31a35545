"""``python -m flows job``: against answers played by a server here, and (slow) against the real stack."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from data.settings import get_settings
from deployments.stack import Stack
from flows.__main__ import main
from flows.cli.job_reading import print_copies
from tests.fakes.clips import clip
from tests.fakes.played_api import PlayedApi, Refused, played_api

JOB: dict[str, Any] = {
    "id": "2f4a86be-98e8-4532-9863-240232a2c1fd",
    "title": "A clip with [brackets] and a name that is a good deal longer than a terminal is wide, as names can be",
    "state": "failed",
    "reason": "DATA.INPUT.CORRUPT",
    "message": "It is broken.",
    "step": "transcode",
    "steps": [{"name": "ingest", "progress": 1.0}, {"name": "transcode", "progress": 0.5}],
    "attempt": 1,
    "priority": "high",
    "progress": 0.35,
    "source": "/media/clip.mp4",
    "recipe": "default",
    "created_at": "2026-01-01T00:00:00Z",
    "started_at": "2026-01-01T00:00:01Z",
    "finished_at": None,
    "links": {"watch": "/watch/abc", "prefect": "http://127.0.0.1:4200/runs/flow-run/x"},
    "moves": ["delete", "retry"],
}


@pytest.fixture
def api() -> Iterator[PlayedApi]:
    with played_api() as played:
        played.answers = [JOB]
        yield played


def test_a_refusal_is_one_line_with_the_moves_that_are_allowed(
    api: PlayedApi, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = {"code": "REQUEST.ILLEGAL_MOVE", "detail": "Not now.", "facts": {"allowed": ["cancel", "pause"]}}
    api.answers = [Refused(409, refusal)]

    status = main(["job", "resume", JOB["id"], "--api", api.url])

    assert (status, capsys.readouterr().err) == (1, "REQUEST.ILLEGAL_MOVE: Not now. Allowed now: cancel, pause.\n")


def test_an_api_that_is_away_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["job", "list", "--api", "http://127.0.0.1:1"])

    assert status == 1
    assert capsys.readouterr().err.startswith("The API at http://127.0.0.1:1 does not answer:")


def test_what_is_not_our_api_is_not_taken_for_it(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers = [Refused(404, "no such page")]

    assert main(["job", "show", "x", "--api", api.url]) == 1
    assert "answered 404" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["cancel"], ("POST", "/cancel")),
        (["pause"], ("POST", "/pause?mode=after_step")),
        (["pause", "--at-once"], ("POST", "/pause?mode=at_once")),
        (["resume"], ("POST", "/resume")),
        (["retry"], ("POST", "/retry")),
        (["delete"], ("DELETE", "")),
    ],
)
def test_every_move_is_one_call(api: PlayedApi, words: list[str], call: tuple[str, str]) -> None:
    assert main(["job", *words, JOB["id"], "--api", api.url]) == 0

    method, rest = call
    assert api.calls == [(method, f"/api/v1/jobs/{JOB['id']}{rest}", b"")]


def test_a_priority_is_changed_by_one_call(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["job", "priority", JOB["id"], "high", "--api", api.url]) == 0

    [(method, path, body)] = api.calls
    assert (method, path, json.loads(body)) == ("PATCH", f"/api/v1/jobs/{JOB['id']}", {"priority": "high"})
    assert capsys.readouterr().out == f"{JOB['priority']}\n"


def test_the_api_key_of_the_settings_is_sent(api: PlayedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    main(["job", "show", "x", "--api", api.url])
    monkeypatch.setenv("DAILIES_API_KEY", "dk_0_secret")
    get_settings.cache_clear()
    main(["job", "show", "x", "--api", api.url])
    get_settings.cache_clear()

    assert api.keys == [None, "dk_0_secret"]


def test_what_is_typed_as_an_id_stays_one_part_of_the_address(api: PlayedApi) -> None:
    main(["job", "cancel", "../uploads?x=", "--api", api.url])

    assert api.calls[0][1] == "/api/v1/jobs/..%2Fuploads%3Fx%3D/cancel"


def test_overrides_are_json_where_they_can_be(api: PlayedApi) -> None:
    words = ["--set", "video.crf=20", "--set", "captions.language=en", "--set", "captions.enabled=false"]

    assert main(["job", "submit", "/media/clip.mp4", *words, "--api", api.url]) == 0

    [(_, _, body)] = api.calls
    assert json.loads(body)["overrides"] == {"video.crf": 20, "captions.language": "en", "captions.enabled": False}


def test_what_belongs_to_the_caller_goes_with_the_job(api: PlayedApi) -> None:
    words = [
        "--metadata",
        "desk=news",
        "--metadata",
        "shift=2",
        "--metadata",
        "by=NaN",
        "--webhook",
        "https://desk.example/hook",
    ]

    assert main(["job", "submit", "/media/clip.mp4", *words, "--api", api.url]) == 0

    [(_, _, body)] = api.calls
    handed_in = json.loads(body)
    assert handed_in["metadata"] == {"desk": "news", "shift": 2, "by": "NaN"}
    assert handed_in["webhooks"] == ["https://desk.example/hook"]


def test_words_are_handed_in_in_place_of_a_source(api: PlayedApi, tmp_path: Path) -> None:
    script = tmp_path / "script.txt"
    script.write_text("Once there was a rabbit.")

    assert main(["job", "submit", "--prompt", "A rabbit", "--script", str(script), "--api", api.url]) == 0

    [(_, _, body)] = api.calls
    assert {name: json.loads(body).get(name) for name in ("source", "prompt", "script")} == {
        "source": None,
        "prompt": "A rabbit",
        "script": "Once there was a rabbit.",
    }


def test_a_script_that_cannot_be_read_is_refused_before_anything_is_asked(
    api: PlayedApi, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["job", "submit", "--script", "/no/such/file", "--api", api.url]) == 1
    assert "cannot be read" in capsys.readouterr().err
    assert api.calls == []


def test_a_wrong_override_is_refused_before_anything_is_asked(
    api: PlayedApi, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["job", "submit", "x", "--set", "nonsense", "--api", api.url]) == 1
    assert "name=value" in capsys.readouterr().err
    assert api.calls == []


def test_a_list_in_a_pipe_is_not_cut_off(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers = [{"items": [JOB], "next": None}]

    assert main(["job", "list", "--api", api.url]) == 0

    printed = capsys.readouterr().out
    assert JOB["title"] in printed
    assert "failed (DATA.INPUT.CORRUPT)" in printed


def test_programs_get_the_answer_as_it_is(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["job", "show", JOB["id"], "--json", "--api", api.url]) == 0

    assert json.loads(capsys.readouterr().out) == JOB


def test_where_copies_are_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_copies([{"target": "cdn", "state": "there", "version": 3, "pointer": "s3://cdn/a/p.json", "error": ""}])

    assert capsys.readouterr().out.splitlines()[1].split() == ["cdn", "there", "v3", "s3://cdn/a/p.json"]


def test_a_target_that_shows_an_old_version_is_pointed_out(capsys: pytest.CaptureFixture[str]) -> None:
    kept = {"target": "cdn", "version": 3, "pointer": "s3://cdn/a/p.json", "error": "", "is_public": False}

    print_copies([{**kept, "state": "there"}, {**kept, "state": "superseded"}])

    [_, there, superseded] = capsys.readouterr().out.splitlines()
    assert "it shows an old version: `asset withdraw` takes it away" in there
    assert "withdraw" not in superseded


def test_who_made_a_video_of_words_is_printed(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    made = {"provider": "studio", "model": "wan2.2", "capability": "image_to_video", "state": "stored"}
    told = {"seconds": 48.25, "charged": 0.8, "currency": "USD", "is_reused": False, "message": ""}
    passed_over = [{"provider": "words", "code": "X", "message": "it shows no pictures."}]
    generations = [{**made, **told, "passed_over": passed_over}]
    api.answers = [{"asset_id": "a1", "items": [], "publication": None, "generations": generations}]

    assert main(["job", "artifacts", JOB["id"], "--api", api.url]) == 0

    printed = capsys.readouterr().out
    assert all(part in printed for part in ("a1", "studio", "wan2.2", "48.2 s", "0.80 USD"))
    assert "words was passed over: it shows no pictures." in printed


def test_watching_a_job_that_fails_fails(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["job", "watch", JOB["id"], "--api", api.url]) == 1

    said = capsys.readouterr()
    assert "It is broken." in said.err
    assert f"{api.url}/watch/abc" in said.out


@pytest.mark.slow
def test_a_job_from_the_command_line(
    stack: Stack, media_root: Path, capsys: pytest.CaptureFixture[str], wait_until: Callable[..., None]
) -> None:
    source = media_root / "from the command line.mp4"
    shutil.copy(clip("carphone_pristine"), source)

    def run(*words: str) -> str:
        assert main(["job", *words, "--api", stack.api_url]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    shown = run("submit", str(source), "--recipe", "quick", "--watch")
    [job] = json.loads(run("list", "--text", "from the command line", "--json"))
    wait_until(lambda: "Published asset" in run("logs", job["id"]), 10, "the last lines of the log")
    waiting = run("submit", str(source), "--recipe", "quick", "--priority", "low").strip()
    moved = run("cancel", waiting).strip()
    run("delete", job["id"])

    assert "succeeded" in shown
    assert moved in ("cancelled", "cancelling")
    assert main(["job", "show", job["id"], "--api", stack.api_url]) == 1
