"""The whole API against its own description: schemathesis makes calls, right and wrong ones, and judges the answers."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from data.settings import Settings

SEED = 20260131
MAX_EXAMPLES = 20
SECONDS = 240

CREDENTIALS: list[Mapping[str, str]] = [{}]
"""Headers of the callers to try: of each role, once there are roles."""

NOT_OURS = (
    "positive_data_acceptance",  # a well-formed id of nothing is a 404, a well-formed source that is not there a 422
    "missing_required_header",
    "ignored_auth",
)
"""Checks that say nothing of this API."""


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.parametrize("headers", CREDENTIALS)
def test_every_answer_is_one_that_the_description_foresees(
    headers: Mapping[str, str], api_url: str, settings: Settings, prefect: object, tmp_path: Path
) -> None:
    command = [Path(sys.executable).with_name("schemathesis"), "run", f"{api_url}/api/v1/openapi.json"]
    command += ["--url", api_url, "--seed", str(SEED), "--max-examples", str(MAX_EXAMPLES), "--workers", "2"]
    command += ["--phases", "examples,coverage,fuzzing", "--no-color", "--generation-database", "none"]
    command += ["--exclude-checks", ",".join(NOT_OURS), "--continue-on-failure", "--warnings", "off"]
    command += ["--exclude-operation-id", "test_providers"]  # it waits for a worker, and there is none
    for name, value in headers.items():
        command += ["--header", f"{name}:{value}"]
    ended = subprocess.run(
        list(map(str, command)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env={**os.environ, "COLUMNS": "160"},
    )

    said = "\n".join(line[:500] for line in (ended.stdout + ended.stderr).splitlines() if line.strip())
    assert ended.returncode == 0, said[-20_000:]
