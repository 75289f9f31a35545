"""Follow a job with a live bar for each of its steps."""

import time
from collections.abc import Iterator

from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from data.domain.jobs import TERMINAL_STATES
from flows.cli.client import ApiError, Client, Document, job_path
from flows.cli.output import console

POLL_SECONDS = 0.5
RECONNECT_SECONDS = 2.0


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
        for now in _as_it_goes(client, job):
            bars.update(overall, completed=now["progress"], description=_headline(now))
            for step in now["steps"]:
                if step["name"] not in steps:
                    steps[step["name"]] = bars.add_task(f"  {step['name']}", total=1.0)
                bars.update(steps[step["name"]], completed=step["progress"])
            job = now
    return job


def _as_it_goes(client: Client, job: Document) -> Iterator[Document]:
    """Tell the job whenever it changes, last as it ended: by its stream, or by asking where there is none."""
    yield job
    try:
        yield from _told(client, job)
    except ApiError:  # an older API, one with too many streams, or a proxy that cuts them: asking works with all
        yield from _asked(client, job["id"])


def _told(client: Client, job: Document) -> Iterator[Document]:
    if job["state"] in TERMINAL_STATES:
        return
    last_id, kind = "", "reconnect"
    while kind != "end":
        began_at = time.monotonic()
        for event in client.events(job_path(job["id"], "stream"), last_id):
            last_id, kind = event.id, event.kind
            if kind in ("state", "progress"):
                job = {**job, **{name: value for name, value in event.data.items() if name in job}}
                yield job
        if kind != "end":
            time.sleep(max(0.0, RECONNECT_SECONDS - (time.monotonic() - began_at)))
    yield client.get(job_path(job["id"]))


def _asked(client: Client, job_id: str) -> Iterator[Document]:
    while True:
        job = client.get(job_path(job_id))
        yield job
        if job["state"] in TERMINAL_STATES:
            return
        time.sleep(POLL_SECONDS)


def _headline(job: Document) -> str:
    state = f"{job['state']} ({job['reason']})" if job["reason"] else job["state"]
    return f"[bold]{escape(state)}[/bold]"
