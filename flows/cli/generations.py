"""``python -m flows generation …``: the ledger of paid work, and what a person decides about what is held."""

from typing import Annotated
from urllib.parse import quote

from cyclopts import App, Parameter

from data.domain.generations import GenerationState
from flows.cli.client import MOST_ITEMS, Api, connected
from flows.cli.output import Json, local_time, print_json, print_table, say, state_text

app = App(name="generation", help="See what was asked of providers and what it cost; decide about what is held.")

GenerationId = Annotated[str, Parameter(help="Id of the generation.")]
_COLUMNS = ("ID", "STATE", "PROVIDER", "ITS ID", "COST", "SENT", "JOB", "MADE", "WHY")


@app.command(name="list")
def list_generations(
    *,
    state: Annotated[tuple[GenerationState, ...], Parameter(negative=(), help="Only in this state; repeatable.")] = (),
    provider: Annotated[str | None, Parameter(help="Only of this provider.")] = None,
    job: Annotated[str | None, Parameter(help="Only of this job.")] = None,
    batch: Annotated[str | None, Parameter(help="Only of this batch.")] = None,
    limit: Annotated[int, Parameter(help=f"Most to list, up to {MOST_ITEMS}.")] = 50,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """List generations, the latest first, with what they cost together."""
    query = {"provider": provider, "job_id": job, "batch_id": batch, "limit": limit}
    with connected(api) as client:
        found = client.get("/generations", state=[each.value for each in state], **query)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["id"],
            state_text(each["state"]),
            each["provider"],
            each["provider_id"] or "",
            f"{each['price'] if each['charged'] is None else each['charged']:,.2f}",
            str(each["attempts"]),
            each["job_id"],
            local_time(each["created_at"]),
            each["code"] or "",
        )
        for each in found["items"]
    ]
    print_table(_COLUMNS, rows)
    totals = found["totals"]
    sums = f"{totals['charged']:,.2f} {found['currency']} charged, {totals['reserved']:,.2f} reserved"
    say(f"{totals['count']} in all: {sums}")


@app.command
def release(generation: GenerationId, /, *, api: Api = "") -> None:
    """Let a held generation be sent again: the provider has not taken it. Then retry its job."""
    _decide(api, generation, "release")


@app.command
def adopt(
    generation: GenerationId,
    provider_id: Annotated[str, Parameter(help="The provider's id of it.")],
    /,
    *,
    api: Api = "",
) -> None:
    """Say under which id the provider has taken a held generation. Then retry its job, which fetches the result."""
    _decide(api, generation, "adopt", provider_id=provider_id)


@app.command
def drop(generation: GenerationId, /, *, api: Api = "") -> None:
    """End a held generation that nobody wants any more. It counts as paid, since it may have been taken."""
    _decide(api, generation, "drop")


def _decide(api: str, generation: str, move: str, **body: str) -> None:
    with connected(api) as client:
        found = client.call("POST", f"/generations/{quote(generation, safe='')}/{move}", json=body or None)
    say(state_text(found["state"]))
