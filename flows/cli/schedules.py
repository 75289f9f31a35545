"""``python -m flows schedule …``: batches that are made by the clock."""

from typing import Annotated
from urllib.parse import quote

from cyclopts import App, Parameter

from flows.cli.batch_calls import Choices, Options
from flows.cli.client import Api, ApiError, connected
from flows.cli.output import Json, local_time, print_json, print_table, say

app = App(name="schedule", help="Make batches by the clock. The schedules are Prefect's own: its UI shows them too.")
_MOST = 10_000
"""More than anybody looks at."""

Name = Annotated[str, Parameter(help="Name of the schedule.")]


@app.command(name="list")
def list_schedules(*, api: Api = "", as_json: Json = False) -> None:
    """List your schedules, with the next time at which each makes a batch."""
    with connected(api) as client:
        schedules = client.items("/schedules", _MOST)
    if as_json:
        print_json(schedules)
        return
    rows = [
        (
            each["name"],
            each["cron"] or "(see Prefect)",
            each["time_zone"],
            "active" if each["is_active"] else "off",
            local_time(next(iter(each["next_runs"]), None)),
            each["manifest"] or "(settings)",
        )
        for each in schedules
    ]
    print_table(("NAME", "CRON", "TIME ZONE", "STATE", "NEXT", "MANIFEST"), rows)


@app.command
def add(
    name: Name,
    cron: Annotated[str, Parameter(help="minute hour day month weekday: `0 22 * * *` is 22:00.")],
    manifest: Annotated[str, Parameter(help="Address of the manifest; `{date}` becomes the date.")] = "",
    /,
    *,
    zone: Annotated[str, Parameter(help="Time zone of the cron and of the date.")] = "UTC",
    choices: Choices | None = None,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """Make a schedule. Without a manifest it takes the one, or the watched folder, of the settings."""
    options = choices or Options()
    if options.finish_by:
        raise ApiError("A deadline is one moment, and a schedule has many nights: give it to a batch.")
    body = {
        "name": name,
        "cron": cron,
        "time_zone": zone,
        "manifest": manifest,
        "batch_name": options.name,
        "options": options.document(),
    }
    with connected(api) as client:
        made = client.call("POST", "/schedules", json=body)
    print_json(made) if as_json else say(made["name"])


@app.command
def on(name: Name, /, *, api: Api = "") -> None:
    """Switch a schedule on."""
    _switch(name, api, is_active=True)


@app.command
def off(name: Name, /, *, api: Api = "") -> None:
    """Switch a schedule off; it stays where it is."""
    _switch(name, api, is_active=False)


@app.command
def remove(name: Name, /, *, api: Api = "") -> None:
    """Delete a schedule; batches that it has made go on."""
    with connected(api) as client:
        client.call("DELETE", _path(name))


def _switch(name: str, api: str, *, is_active: bool) -> None:
    with connected(api) as client:
        client.call("PATCH", _path(name), json={"is_active": is_active})


def _path(name: str) -> str:
    return f"/schedules/{quote(name, safe='')}"
