"""An operator looks at a file: what it says, who says so, and whether it is as it was signed."""

import json
import subprocess
from pathlib import Path

import pytest

from data.domain.provenance import Action, ActionName, Agent, DigitalSource, Part
from flows.__main__ import main
from tasks.media.content_credentials import Claim, sign
from tasks.media.local_certificate import LOCAL_NAME, local_identity
from tasks.media.tools import find_tools

MADE = Action(
    name=ActionName.CREATED,
    what="video",
    description="Made from words.",
    parts=(Part.PICTURE,),
    agent=Agent(name="mine"),
    models=(Agent(name="wan", version="2.1"),),
    digital_source=DigitalSource.TRAINED_MODEL,
)


@pytest.fixture
def unsigned(tmp_path: Path) -> Path:
    target = tmp_path / "plain.mp4"
    arguments = ["-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=1", "-c:v", "libx264"]
    subprocess.run([find_tools().ffmpeg, "-v", "error", *arguments, target], check=True)
    return target


@pytest.fixture
def signed(unsigned: Path, tmp_path: Path) -> Path:
    target = tmp_path / "signed.mp4"
    sign(unsigned, target, Claim("A fox", Agent(name="Dailies"), (MADE,)), local_identity(tmp_path / "credentials"))
    return target


def test_it_is_shown_what_was_done_with_which_models_and_by_whom(
    signed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["asset", "verify", str(signed)]) == 0

    shown = capsys.readouterr().out
    for words in ("as they were signed", "nobody trusted", LOCAL_NAME, "c2pa.created", "wan 2.1", "Made from words."):
        assert words in shown


def test_whom_to_trust_can_be_said(signed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    anchors = str(tmp_path / "credentials" / "authority.pem")

    assert main(["asset", "verify", str(signed), "--anchors", anchors, "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["state"] == "trusted"


def test_a_changed_file_is_shown_and_fails(signed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray(signed.read_bytes())
    data[-1] ^= 1
    signed.write_bytes(data)

    assert main(["asset", "verify", str(signed)]) == 1

    shown = capsys.readouterr()
    assert "changed since" in shown.out
    assert "DATA.CREDENTIALS.CHANGED" in shown.err


def test_without_credentials_or_without_a_file_it_fails(
    unsigned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["asset", "verify", str(unsigned)]) == 1
    assert main(["asset", "verify", str(tmp_path / "nowhere.mp4")]) == 1

    shown = capsys.readouterr().err
    assert "carries no Content Credentials" in shown
    assert "There is no file" in shown
