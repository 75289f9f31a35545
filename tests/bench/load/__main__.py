"""``python -m tests.bench.load`` (``make capacity``): how many videos a minute workers publish, and what that means.

Each round hands in videos of one size together, by Locust (:mod:`tests.bench.load.workers`), through the API: upload,
job, publication. Workers are the runs that may be at work at once: the limit of the pool `cpu`, whose runs share this
machine's encode slots. The report says videos a minute, times, processor time by what further machines bring along and
what all share, errors, and how many machines a night takes.

By default on a stack of its own, in a folder that goes afterwards. ``--host`` measures an installation that runs, with
the workers that it has (``LOAD_HEADERS`` for credentials); what that costs it, its own metrics tell.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolUpdate
from rich.console import Console
from rich.markdown import Markdown

from deployments.components import PROJECT
from deployments.environment import isolated
from deployments.stack import Stack
from tasks.media.cores import usable_cores
from tasks.media.tools import find_tools
from tests.bench.batches.processor import of_stack, since
from tests.bench.load.capacity import Round, Video, as_json, as_markdown
from tests.bench.load.clips import videos_of
from tests.fakes.job_client import JobClient

LOCUSTFILE = Path(__file__).with_name("workers.py")
WARM_UP_MEGABYTES = 0.5


@dataclass(frozen=True)
class Target:
    """Where the videos go."""

    url: str
    stack: Stack | None = None

    def set_workers(self, count: int) -> None:
        """Let so many runs be at work at once."""
        if self.stack is not None:
            with SyncPrefectClient(self.stack.prefect_api_url) as client:
                client.update_work_pool("cpu", WorkPoolUpdate(concurrency_limit=count))

    def processor(self) -> dict[str, float]:
        """Return the CPU-seconds so far by component; nothing for an installation elsewhere."""
        return of_stack(self.stack) if self.stack is not None else {}


def hand_in(
    target: Target, videos: Sequence[Path], workers: int, megabytes: float, options: argparse.Namespace
) -> Round:
    """Hand in videos together, and wait for all of them."""
    target.set_workers(workers)
    before = target.processor()
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "outcomes.json"
        environment = {
            **os.environ,
            "LOAD_VIDEOS": json.dumps([str(video) for video in videos]),
            "LOAD_JOB": json.dumps({"recipe": options.recipe, "metadata": {"load": True}}),
            "LOAD_RESULT": str(result),
            "LOAD_SECONDS": str(options.longest),
        }
        command = [sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--headless", "--only-summary"]
        command += ["--host", target.url, "--users", str(len(videos)), "--spawn-rate", str(len(videos))]
        done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
        if not result.exists():
            sys.exit(f"Locust ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        outcomes = json.loads(result.read_text(encoding="utf-8"))
    used = since(target.processor(), before)
    return Round(workers, megabytes, tuple(map(Video.of, outcomes)), used)


@contextmanager
def target_of(options: argparse.Namespace, folder: Path) -> Iterator[Target]:
    """Give the installation that runs, or a stack of our own that has done a video before."""
    if options.host:
        yield Target(options.host.rstrip("/"))
        return
    home = folder / "home"
    home.mkdir(mode=0o755)
    (home / "inbox").mkdir()
    with Stack(home, environment=isolated()) as stack:
        [warm_up] = videos_of(find_tools(), home / "inbox", WARM_UP_MEGABYTES, 1)
        jobs = JobClient(stack.api_url)
        jobs.succeed(str(warm_up), recipe=options.recipe)
        jobs.close()
        yield Target(stack.api_url, stack)


def facts_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the figures hold for."""
    where = options.host or f"this machine, {usable_cores()} cores ({platform.machine()}), everything on it"
    return {"where": where, "recipe": options.recipe, "source": "720p, 8 Mbit/s: a megabyte is a second"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and report; exit status 1 when a video was not published."""
    options = _parse(arguments)
    console = Console()
    rounds = []
    with tempfile.TemporaryDirectory(prefix="dailies-load-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # Postgres does not run as root, and looks from the top
        with target_of(options, folder) as target:
            for megabytes in options.sizes:
                for workers in options.workers:
                    videos = videos_of(find_tools(), folder, megabytes, options.videos)
                    rounds.append(hand_in(target, videos, workers, megabytes, options))
                    pace, errors = rounds[-1].videos_a_minute, rounds[-1].errors
                    console.print(f"{megabytes:g} MB, {workers} workers: {pace:.1f} videos/min, {errors} errors")
                    for video in videos:
                        video.unlink()
    text = as_markdown(rounds, facts_of(options))
    console.print(Markdown(text))
    if options.report:
        options.report.parent.mkdir(parents=True, exist_ok=True)
        options.report.with_suffix(".md").write_text(text, encoding="utf-8")
        report = json.dumps(as_json(rounds, facts_of(options)), indent=2)
        options.report.with_suffix(".json").write_text(report, encoding="utf-8")
    return 1 if any(each.errors for each in rounds) else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=_numbers(float), default=[5.0, 10.0], help="MB of a video (default: 5,10)")
    parser.add_argument("--workers", type=_numbers(int), default=[1, 2], help="runs at once (default: 1,2)")
    parser.add_argument("--videos", type=int, default=4, help="videos of each round (default: %(default)s)")
    parser.add_argument("--recipe", default="quick", help="recipe of the jobs (default: %(default)s)")
    parser.add_argument("--longest", type=float, default=3600, help="longest wait for a job, seconds")
    parser.add_argument("--host", help="address of an API that runs, instead of a stack of one's own")
    parser.add_argument("--report", type=Path, help="write the report there, as .md and .json")
    options = parser.parse_args(arguments)
    if options.host and len(options.workers) > 1:
        parser.error("--host has the workers that it has: say how many with one number, --workers N")
    return options


def _numbers(kind: type) -> Any:
    def numbers(text: str) -> list[Any]:
        return [kind(each) for each in text.split(",")]

    return numbers


if __name__ == "__main__":
    sys.exit(main())
