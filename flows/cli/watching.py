"""Follow a job with a live bar for each of its steps."""

import time

from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from data.domain.jobs import TERMINAL_STATES
from flows.cli.client import Client, Document, job_path
from flows.cli.output import console

POLL_SECONDS = 0.5


def watch_job(client: Client, job: Document, *, is_quiet: bool = False) -> Document:
    """Wait for the end of a job, with a bar for each step that has begun; return the ended job.

    Args:
        client: Calls the API.
        job: The job as it is now.
        is_quiet: Draw nothing.
    """
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=is_quiet) as bars:
        overall = bars.add_task("", total=1.0)
        steps: dict[str, TaskID] = {}
        while True:
            bars.update(overall, completed=job["progress"], description=_headline(job))
            for step in job["steps"]:
                if step["name"] not in steps:
                    steps[step["name"]] = bars.add_task(f"  {step['name']}", total=1.0)
                bars.update(steps[step["name"]], completed=step["progress"])
            if job["state"] in TERMINAL_STATES:
                return job
            time.sleep(POLL_SECONDS)
            job = client.get(job_path(job["id"]))


def _headline(job: Document) -> str:
    state = f"{job['state']} ({job['reason']})" if job["reason"] else job["state"]
    return f"[bold]{escape(state)}[/bold]"
