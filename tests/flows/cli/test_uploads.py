"""A file that is handed in from the command line."""

from pathlib import Path

import pytest

from flows.__main__ import main
from tests.fakes.played_api import played_api


def test_a_file_is_handed_in_whole(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with played_api() as api:
        api.answers = [{"source": "upload:1"}]
        (tmp_path / "clip.mp4").write_bytes(b"x" * 3_000_000)
        assert main(["upload", str(tmp_path / "clip.mp4"), "--api", api.url]) == 0

    [(method, path, body)] = api.calls
    assert (method, path) == ("POST", "/api/v1/uploads")
    assert body.count(b"x") >= 3_000_000
    assert capsys.readouterr().out.strip().endswith("upload:1")
