"""``python -m flows job history · artifacts``: what a job went through, and what it made."""

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter

from flows.cli.client import Api, Document, connected, job_path
from flows.cli.output import Json, local_time, print_facts, print_json, print_table, state_text

_GENERATION_COLUMNS = ("PROVIDER", "MODEL", "MADE", "STATE", "TOOK", "COST", "WHY")

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
    """Show what a job made, and of a video of words who made it, how long that took and what it cost."""
    with connected(api) as client:
        made = client.get(job_path(job, "artifacts"))
        if as_json:
            print_json(made)
            return
        public = made["publication"]
        facts = {
            "Asset": made["asset_id"],
            "Artifacts": ", ".join(each["kind"] for each in made["items"]),
            "Published": f"version {public['version']}, {local_time(public['published_at'])}" if public else None,
            "Watch": client.address(public["urls"]["watch"]) if public else None,
        }
    print_facts({name: value for name, value in facts.items() if value})
    if made["generations"]:
        print_table(_GENERATION_COLUMNS, [_generation_row(each) for each in made["generations"]])
    print_copies(made.get("copies", ()))


def print_copies(copies: Sequence[Document]) -> None:
    """Print which publish targets have which version; nothing where there are none."""
    rows = [(each["target"], each["state"], f"v{each['version']}", each["pointer"], _why(each)) for each in copies]
    if rows:
        print_table(("TARGET", "COPY", "VERSION", "POINTER", "WHY"), rows)


def _why(copy: Document) -> str:
    if copy["state"] == "there" and not copy.get("is_public", True):
        return "it shows an old version: `asset withdraw` takes it away, a job that names the target renews it"
    return str(copy["error"])


def _state(item: Document) -> tuple[Any, ...]:
    state = state_text(item["state"], item["reason"])
    return local_time(item["at"]), state, item["prefect_state"], item["message"] or ""


def _generation_row(made: Document) -> tuple[Any, ...]:
    seconds, charged = made["seconds"], made["charged"]
    why = [made["message"], *(f"{each['provider']} was passed over: {each['message']}" for each in made["passed_over"])]
    return (
        made["provider"],
        made["model"],
        made["capability"],
        state_text(made["state"], "made before" if made["is_reused"] else None),
        "" if seconds is None else f"{seconds:.1f} s",
        "" if charged is None else f"{charged:,.2f} {made['currency']}",
        " ".join(filter(None, why)),
    )
