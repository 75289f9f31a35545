"""``python -m flows job …``: one job at a time."""

from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from cyclopts import App, Parameter

from data.domain.errors import FailureClass
from data.domain.jobs import MAX_RETRIES, JobState, PauseMode
from flows.cli.client import MOST_ITEMS, Api, ApiError, Client, Document, connected, job_path, pairs_of
from flows.cli.job_reading import JobId, artifacts, history
from flows.cli.output import Json, local_time, print_facts, print_json, print_table, say, state_text
from flows.cli.watching import watch_job

app = App(name="job", help="Hand in, list, watch, stop and retry jobs.")

PriorityName = Literal["high", "default", "low"]

app.command(history)
app.command(artifacts)


@app.command
def submit(
    source: Annotated[str, Parameter(help="What to process; leave it out to have a video made of words.")] = "",
    /,
    *,
    prompt: Annotated[str, Parameter(help="What a video is to show, in place of a source.")] = "",
    script: Annotated[
        Path | None, Parameter(help="A text file with what a video is to say, in place of a source or with a prompt.")
    ] = None,
    recipe: Annotated[str, Parameter(help="Name of the recipe.")] = "default",
    title: Annotated[str, Parameter(help="Title of the publication; the file's name by default.")] = "",
    priority: Annotated[PriorityName, Parameter(help="The queue to wait in.")] = "default",
    max_retries: Annotated[
        int | None, Parameter(help=f"How often a step is tried again, at most {MAX_RETRIES}; the service's by default.")
    ] = None,
    override: Annotated[
        tuple[str, ...],
        Parameter(name="--set", negative=(), help="A recipe field to replace, as `captions.language=en`; repeatable."),
    ] = (),
    metadata: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="Yours, given back as it is, as `desk=news`; repeatable."),
    ] = (),
    webhook: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="Who is told of the job: an address, or the id of a webhook; repeatable."),
    ] = (),
    watch: Annotated[
        bool,
        Parameter(name=("--watch", "-w"), negative=(), help="Follow the job until it has ended; fail if it fails."),
    ] = False,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """Hand in a source: an absolute path, `upload:<id>` or an `https://` address; or words to make a video of."""
    words = {"prompt": prompt, "script": _read(script) if script else ""}
    begin = {name: text for name, text in {"source": source, **words}.items() if text}
    body: Document = {
        **begin,
        "recipe": recipe,
        "title": title,
        "priority": priority,
        "overrides": pairs_of("--set", override),
        "metadata": pairs_of("--metadata", metadata),
        "webhooks": list(webhook),
    }
    if max_retries is not None:
        body["max_retries"] = max_retries
    with connected(api) as client:
        job = client.call("POST", "/jobs", json=body)
        if watch:
            _watch(client, job, as_json)
        elif as_json:
            print_json(job)
        else:
            say(job["id"])


@app.command(name="list")
def list_jobs(
    *,
    state: Annotated[tuple[JobState, ...], Parameter(negative=(), help="Only jobs in this state; repeatable.")] = (),
    text: Annotated[str | None, Parameter(help="Found in title, id, source or metadata.")] = None,
    limit: Annotated[int, Parameter(help="Most jobs to list.")] = 20,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """List jobs, the latest first."""
    with connected(api) as client:
        jobs = client.items("/jobs", limit, state=[each.value for each in state], text=text)
    if as_json:
        print_json(jobs)
        return
    print_table(("ID", "STATE", "DONE", "CREATED", "TITLE"), [_row(job) for job in jobs])


@app.command
def search(
    text: Annotated[str, Parameter(help="Found in title, id, source or metadata.")] = "",
    /,
    *,
    state: Annotated[tuple[JobState, ...], Parameter(negative=(), help="Only jobs in this state; repeatable.")] = (),
    failure: Annotated[
        tuple[FailureClass, ...], Parameter(negative=(), help="Only what failed by this class; repeatable.")
    ] = (),
    recipe: Annotated[str | None, Parameter(help="Only jobs of this recipe.")] = None,
    owner: Annotated[str | None, Parameter(help="Only jobs of this user (id).")] = None,
    limit: Annotated[int, Parameter(help="Most jobs to list.")] = 20,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """Find jobs, the latest first; all that is given has to hold."""
    wanted = {"failure": [each.value for each in failure], "recipe": recipe, "owner": owner}
    with connected(api) as client:
        jobs = client.items("/jobs/search", limit, state=[each.value for each in state], text=text or None, **wanted)
    if as_json:
        print_json(jobs)
        return
    print_table(("ID", "STATE", "DONE", "CREATED", "TITLE"), [_row(job) for job in jobs])


@app.command
def metrics(
    *,
    hours: Annotated[int, Parameter(help="How long the window is that ends now.")] = 24,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """Show the jobs of a window in numbers."""
    with connected(api) as client:
        found = client.get("/jobs/metrics", hours=hours)
    if as_json:
        print_json(found)
        return
    rate = found["success_rate"]
    facts = {
        "Since": local_time(found["since"]),
        "Now": _counts(found["states"]),
        "Ended": f"{found['ended']} (what follows is over the latest {found['looked_at']})",
        "Succeeded": f"{rate:.1%}" if rate is not None else "–",
        "Failures": _counts(found["failures"]),
        "Recipes": _counts(found["recipes"]),
        "Retries": f"{found['retries']} of jobs, {found['step_retries']} of steps",
        "Waited": _spread(found["wait_seconds"]),
        "Worked": _spread(found["run_seconds"]),
    }
    print_facts(facts)


@app.command
def show(job: JobId, /, *, api: Api = "", as_json: Json = False) -> None:
    """Show a job: its state, how far it is, and what can be asked of it."""
    with connected(api) as client:
        _show(client, client.get(job_path(job)), as_json)


@app.command
def watch(job: JobId, /, *, api: Api = "", as_json: Json = False) -> None:
    """Follow a job until it has ended; a job that fails makes the command fail."""
    with connected(api) as client:
        _watch(client, client.get(job_path(job)), as_json)


@app.command
def cancel(job: JobId, /, *, api: Api = "", as_json: Json = False) -> None:
    """Stop a job for good. What runs for it ends within ten seconds."""
    _move(api, as_json, job, "cancel")


@app.command
def pause(
    job: JobId,
    /,
    *,
    at_once: Annotated[
        bool, Parameter(negative=(), help="End the step within ten seconds; it is done again when resumed.")
    ] = False,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """Stop a job until it is resumed: after the step that it is at."""
    mode = PauseMode.AT_ONCE if at_once else PauseMode.AFTER_STEP
    _move(api, as_json, job, "pause", mode=mode.value)


@app.command
def resume(job: JobId, /, *, api: Api = "", as_json: Json = False) -> None:
    """Queue a paused job again; it goes on after its last finished step."""
    _move(api, as_json, job, "resume")


@app.command
def retry(job: JobId, /, *, api: Api = "", as_json: Json = False) -> None:
    """Queue a failed or cancelled job again; steps that had finished are not done again."""
    _move(api, as_json, job, "retry")


@app.command
def priority(
    job: JobId,
    priority: Annotated[PriorityName, Parameter(help="How soon it comes from now on.")],
    /,
    *,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """Let a job that has not ended come sooner or later: in its queue, and when it waits for an encode slot."""
    with connected(api) as client:
        changed = client.call("PATCH", job_path(job), json={"priority": priority})
    if as_json:
        print_json(changed)
    else:
        say(changed["priority"])


@app.command
def delete(job: JobId, /, *, api: Api = "") -> None:
    """Forget a job that has ended, with its logs; what it published stays."""
    with connected(api) as client:
        client.call("DELETE", job_path(job))


@app.command
def logs(
    job: JobId,
    /,
    *,
    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], Parameter(help="This level and above.")
    ] = "INFO",
    api: Api = "",
    as_json: Json = False,
) -> None:
    """Print what a job has logged so far, oldest first."""
    with connected(api) as client:
        after: str | None = None
        while True:
            page = client.get(job_path(job, "logs"), level=level, limit=MOST_ITEMS, after=after)
            for line in page["items"]:
                say(orjson.dumps(line).decode() if as_json else log_line(line))
            after = page["next"]
            if after is None or len(page["items"]) < MOST_ITEMS:
                return


def _move(api: str, as_json: bool, job: str, move: str, **query: str) -> None:
    with connected(api) as client:
        moved = client.call("POST", job_path(job, move), params=query)
    if as_json:
        print_json(moved)
    else:
        say(state_text(moved["state"], moved["reason"]))


def _watch(client: Client, job: Document, as_json: bool) -> None:
    ended = watch_job(client, job, is_quiet=as_json)
    _show(client, ended, as_json)
    if ended["state"] != JobState.SUCCEEDED:
        raise ApiError(f"The job {job['id']} {ended['state']}: {ended['message'] or ended['reason'] or 'see its logs'}")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "–"


def _spread(spread: Document) -> str:
    if spread["p50"] is None:
        return "–"
    return f"{spread['p50']:.1f} s (median), {spread['p95']:.1f} s (95 %), {spread['longest']:.1f} s (longest)"


def _row(job: Document) -> tuple[Any, ...]:
    state = state_text(job["state"], job["reason"])
    return job["id"], state, f"{job['progress']:.0%}", local_time(job["created_at"]), job["title"]


def _show(client: Client, job: Document, as_json: bool) -> None:
    if as_json:
        print_json(job)
        return
    facts = {
        "Job": job["id"],
        "Title": job["title"],
        "State": state_text(job["state"], job["reason"]),
        "Message": job["message"],
        "Step": f"{job['step']} ({job['progress']:.0%} of the job)" if job["step"] else None,
        "Next try": local_time(job.get("next_try_at")),
        "Attempt": str(job["attempt"]),
        "Priority": job["priority"],
        "Source": job["source"],
        "Recipe": job["recipe"],
        "Created": local_time(job["created_at"]),
        "Started": local_time(job["started_at"]),
        "Finished": local_time(job["finished_at"]),
        "Watch": client.address(job["links"]["watch"]),
        "Prefect": job["links"]["prefect"],
        "Moves": ", ".join(job["moves"]),
    }
    print_facts({name: value for name, value in facts.items() if value})


def log_line(line: Document) -> str:
    """Return a line of a log for people."""
    return f"{local_time(line['at'])}  {line['level']:<8} {line['message']}"


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ApiError(f"{path} cannot be read as text: {error}.") from error
