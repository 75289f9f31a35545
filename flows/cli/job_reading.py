"""``python -m flows job history · artifacts``: what a job went through, and what it made."""

from typing import Annotated, Any

from cyclopts import Parameter

from flows.cli.client import Api, Document, connected, job_path
from flows.cli.output import Json, local_time, print_json, print_table, say, state_text

JobId = Annotated[str, Parameter(help="Id of the job.")]


def history(job: JobId, /, *, api: Api = "", as_json: Json = False) -> None:
    """List the states that a job went through, oldest first."""
    with connected(api) as client:
        items = client.get(job_path(job, "history"))["items"]
    if as_json:
        print_json(items)
        return
    print_table(("AT", "STATE", "IN PREFECT", "MESSAGE"), [_state(each) for each in items])


def artifacts(job: JobId, /, *, api: Api = "", as_json: Json = False) -> None:
    """List what AI made for a job, and what the job published."""
    with connected(api) as client:
        found = client.get(job_path(job, "artifacts"))
        if as_json:
            print_json(found)
            return
        made = [(each["kind"], local_time(each["created_at"]), each["key"]) for each in found["items"]]
        print_table(("KIND", "MADE", "KEY"), made)
        if publication := found["publication"]:
            say(f"\nPublished as version {publication['version']}: {client.address(publication['urls']['watch'])}")


def _state(item: Document) -> tuple[Any, ...]:
    state = state_text(item["state"], item["reason"])
    return local_time(item["at"]), state, item["prefect_state"], item["message"] or ""
