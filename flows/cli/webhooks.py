"""``python -m flows webhook …``: who is told what becomes of jobs and batches, and what came of it."""

from typing import Annotated
from urllib.parse import quote

from cyclopts import App, Parameter

from data.domain.webhooks import DeliveryState
from flows.cli.client import Api, connected
from flows.cli.output import Json, local_time, print_facts, print_json, print_table, say, state_text

app = App(name="webhook", help="Have somebody told what becomes of jobs and batches; see what came of it.")

EndpointId = Annotated[str, Parameter(help="Id of the webhook (`whk_…`).")]
_ENDPOINTS = ("ID", "STATE", "URL", "EVENTS", "MADE")
_DELIVERIES = ("ID", "STATE", "EVENT", "ABOUT", "TRIES", "LAST", "NEXT", "URL")
_LAST_ERROR_CHARACTERS = 60


@app.command(name="list")
def list_webhooks(
    *,
    of_jobs: Annotated[bool, Parameter(negative=(), help="Those, too, that came with a job.")] = False,
    limit: Annotated[int, Parameter(help="Most to list, up to 200.")] = 50,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """List who is told, the latest first."""
    with connected(api) as client:
        found = client.get("/webhooks", limit=limit, with_those_of_one_job=of_jobs)
    if as_json:
        print_json(found)
        return
    rows = [
        (each["id"], _state(each), each["url"], " ".join(each["events"]), local_time(each["created_at"]))
        for each in found["items"]
    ]
    print_table(_ENDPOINTS, rows)


@app.command
def add(
    url: Annotated[str, Parameter(help="Where to send events to.")],
    /,
    *,
    event: Annotated[
        tuple[str, ...], Parameter(negative=(), help="A type (job.failed) or group (item.*); repeatable.")
    ] = (),
    description: Annotated[str, Parameter(help="For people.")] = "",
    api: Api = "",
    as_json: Json = False,
) -> None:
    """Have an address told; prints the secret that it verifies with."""
    body = {"url": url, "description": description} | ({"events": list(event)} if event else {})
    with connected(api) as client:
        made = client.call("POST", "/webhooks", json=body)
    if as_json:
        print_json(made)
        return
    print_facts({"id": made["id"], "secret": made["secret"], "events": " ".join(made["events"])})


@app.command(name="test")
def try_out(endpoint: EndpointId, /, *, api: Api = "") -> None:
    """Send it a test event; `webhook deliveries --endpoint ID` shows what came of it."""
    with connected(api) as client:
        sent = client.call("POST", f"/webhooks/{quote(endpoint, safe='')}/test")
    say(f"{sent['id']} {sent['state']}")


@app.command
def deliveries(
    *,
    state: Annotated[tuple[DeliveryState, ...], Parameter(negative=(), help="Only in this state; repeatable.")] = (),
    endpoint: Annotated[str | None, Parameter(help="Only to this webhook.")] = None,
    job: Annotated[str | None, Parameter(help="Only about this job or batch.")] = None,
    limit: Annotated[int, Parameter(help="Most to list, up to 200.")] = 50,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """List what was told, or is to be, the latest first."""
    query = {"endpoint_id": endpoint, "job_id": job, "limit": limit}
    with connected(api) as client:
        found = client.get("/webhooks/deliveries", state=[each.value for each in state], **query)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["id"],
            state_text(each["state"]),
            each["type"],
            each["subject"],
            str(each["attempts"]),
            str(each["last_status"] or each["last_error"])[:_LAST_ERROR_CHARACTERS] if each["attempts"] else "",
            local_time(each["next_at"]) if each["state"] == DeliveryState.PENDING else "",
            each["url"],
        )
        for each in found["items"]
    ]
    print_table(_DELIVERIES, rows)


@app.command
def replay(
    what: Annotated[str, Parameter(help="Id of a delivery (`dlv_…`), or of a webhook with `--since`.")],
    /,
    *,
    since: Annotated[str | None, Parameter(help="All that it has not taken since then (2026-11-22T06:00:00Z).")] = None,
    api: Api = "",
) -> None:
    """Send again: one delivery, or all that a webhook has not taken since a time."""
    with connected(api) as client:
        if since is None:
            sent = client.call("POST", f"/webhooks/deliveries/{quote(what, safe='')}/replay")
            say(state_text(sent["state"]))
            return
        count = client.call("POST", f"/webhooks/{quote(what, safe='')}/replay", json={"since": since})["count"]
    say(f"{count} sent again")


def _state(endpoint: dict[str, object]) -> str:
    if endpoint["disabled_at"]:
        return f"off ({endpoint['disabled_reason']})"
    return f"failing ({endpoint['failures']})" if endpoint["failing_since"] else "on"
