"""The whole API against its own description: schemathesis makes calls, right and wrong ones, and judges the answers."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from prefect.client.schemas.objects import State, StateType

from data.database import Database
from data.domain.identity import Role
from tests.api.callers import Person
from tests.api.conftest import Prefect
from tests.api.things import Things
from tests.fakes import description_hooks

SEED = 20260131
SECONDS = 240

NOT_OURS = (
    "positive_data_acceptance",  # a well-formed id of nothing is a 404, a well-formed source that is not there a 422
    "missing_required_header",
    "ignored_auth",  # tests/api/test_access.py goes through every route
)
"""Checks that say nothing of this API."""

LEFT_OUT = (
    "test_providers",  # it waits for a worker, and there is none
    "log_out",  # it ends the very login that makes the calls
)

CONFIGURATION = """
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "409", "412", "415", "422", "429", "431"]
"""
"""With 412: what the caller has seen is looked at before the rest of a call; and 431: of an overlong address."""


@dataclass(frozen=True)
class Trial:
    """What is tried as somebody."""

    role: Role | None
    phases: str
    examples: int = 1


TRIALS = (
    Trial(None, "examples"),
    Trial(Role.VIEWER, "fuzzing", examples=2),
    Trial(Role.OPERATOR, "examples,fuzzing", examples=6),
    Trial(Role.ADMIN, "examples,coverage"),
)
"""Who may most gets furthest: the admin tries each boundary of each parameter, some 4,000 calls."""


def known_ids(things: Things, prefect: Prefect, owner: str) -> dict[str, str]:
    """Make things of somebody's for the calls to name."""
    ended = things.make("job", owner)
    prefect.force(ended, State(type=StateType.COMPLETED))
    return {
        "job_id": things.make("job", owner),
        "job_stream:job_id": ended,  # a stream of one that goes on would not end
        "batch_id": things.make("batch", owner),
        "asset_id": things.make("asset", owner),
        "key_id": things.make("key", owner),
        "endpoint_id": things.make("webhook", owner),
        "delivery_id": things.make("delivery", owner),
        "get_recipe:name": "default",
        "get_schedule:name": (schedule := things.make("schedule", owner)),
        "change_schedule:name": schedule,
    }


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.role or "nobody")
def test_every_answer_is_one_that_the_description_foresees(
    trial: Trial, people: dict[Role, Person], locked_url: str, prefect: Prefect, database: Database, tmp_path: Path
) -> None:
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION, encoding="utf-8")
    command = [Path(sys.executable).with_name("schemathesis"), "run", f"{locked_url}/api/v1/openapi.json"]
    command += [
        "--url",
        locked_url,
        "--seed",
        str(SEED),
        "--max-examples",
        str(trial.examples),
        "--workers",
        "1",  # two disturb each other: Hypothesis parses lambdas' sources, which Python 3.11 cannot in two threads
    ]
    command += ["--phases", trial.phases, "--no-color", "--generation-database", "none", "--no-shrink"]
    command += ["--exclude-checks", ",".join(NOT_OURS), "--continue-on-failure", "--warnings", "off"]
    for operation in LEFT_OUT:
        command += ["--exclude-operation-id", operation]
    ids = {}
    if trial.role is not None:
        ids = known_ids(Things(database, prefect), prefect, people[trial.role].user.id)
        for name, value in people[trial.role].headers.items():
            command += ["--header", f"{name}:{value}"]
    ended = subprocess.run(
        list(map(str, command)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env={
            **os.environ,
            "COLUMNS": "160",
            "SCHEMATHESIS_HOOKS": description_hooks.__name__,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            description_hooks.IDS: json.dumps(ids),
        },
    )

    said = "\n".join(line[:500] for line in (ended.stdout + ended.stderr).splitlines() if line.strip())
    assert ended.returncode == 0, said[-20_000:]
