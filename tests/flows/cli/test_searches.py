"""Jobs and lines searched from the command line."""

from collections.abc import Iterator

import pytest

from flows.__main__ import main
from tests.fakes.played_api import PlayedApi, played_api
from tests.flows.cli.test_jobs import JOB


@pytest.fixture
def api() -> Iterator[PlayedApi]:
    with played_api() as played:
        yield played


def test_jobs_and_lines_are_searched(api: PlayedApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.answers = [{"items": [JOB], "next": None}]
    assert main(["job", "search", "words", "--failure", "DATA", "--recipe", "quick", "--api", api.url]) == 0
    assert "failure=DATA" in api.calls[-1][1]

    line = {"at": JOB["created_at"], "level": "ERROR", "message": "it broke", "run_id": "r"}
    api.answers = [{"items": [line], "next": None}]
    assert main(["logs", "search", "broke", "--api", api.url]) == 0

    assert "it broke" in capsys.readouterr().out
