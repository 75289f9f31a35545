"""A worker that makes generations until all are over: what the tests fork, and kill.

What comes of a job is written down in a line of a file, as Prefect keeps a run's final state; retryable errors are
tried again after a while, as Prefect does.
"""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from data.domain.errors import DailiesError, is_retryable
from tasks.providers.generation import Rules
from tasks.providers.work import Patience
from tests.fakes.generation_world import GenerationWorld, hostile

RETRY_SECONDS = 0.2
THREADS = 12
PATIENCE = Patience(poll_seconds=0.05, timeout_seconds=20.0, attempts=3, pause_seconds=0.05)
RULES = Rules(breaker_failures=5, breaker_seconds=0.5)


def work(home: Path, provider_url: str) -> None:
    """Work on the jobs of ``jobs.json`` that have no line in ``ends.jsonl`` yet."""
    world = GenerationWorld(home, hostile(provider_url), patience=PATIENCE, rules=RULES)
    jobs: dict[str, str] = json.loads((home / "jobs.json").read_text())
    ended = {json.loads(line)["job"] for line in ends(home)}
    with ThreadPoolExecutor(THREADS) as pool:
        for job, prompt in jobs.items():
            if job not in ended:
                pool.submit(_work, world, home, job, prompt)


def ends(home: Path) -> list[str]:
    """Return the whole lines of what has ended."""
    path = home / "ends.jsonl"
    return [line for line in path.read_text().splitlines() if line.endswith("}")] if path.exists() else []


def _work(world: GenerationWorld, home: Path, job: str, prompt: str) -> None:
    while True:
        try:
            world.generate(prompt, job=job)
            _note(home, job, "")
            return
        except DailiesError as error:
            if not is_retryable(error):
                _note(home, job, error.code)
                return
            time.sleep(RETRY_SECONDS)
        except Exception as error:  # noqa: BLE001 - a thread's last word
            _note(home, job, f"{type(error).__name__}: {error}")
            return


def _note(home: Path, job: str, code: str) -> None:
    line = f"{json.dumps({'job': job, 'code': code})}\n"
    descriptor = os.open(home / "ends.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, line.encode())
    os.close(descriptor)
