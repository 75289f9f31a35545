"""``python -m flows provider …``: who makes generations, and how they are."""

from typing import Annotated
from urllib.parse import quote

from cyclopts import App, Parameter
from rich.text import Text

from flows.cli.client import Api, ApiError, Document, connected
from flows.cli.output import Json, local_time, print_json, print_table, say

app = App(name="provider", help="See who makes video from prompts, and how they are.")

_STYLES = {"healthy": "green", "degraded": "yellow", "unhealthy": "red"}
_COLUMNS = ("NAME", "ENGINE", "HEALTH", "BREAKER", "FAILURES", "ANSWERS IN", "MAKES IN", "MADE", "COST", "LAST CALL")


@app.command
def status(*, api: Api = "", as_json: Json = False) -> None:
    """Show how the providers are, by the calls of all processes."""
    with connected(api) as client:
        found = client.get("/providers/status")
    if as_json:
        print_json(found)
        return
    print_table(_COLUMNS, [_row(each, found["currency"]) for each in found["items"]])
    budget = "" if found["day_budget"] is None else f" of {found['day_budget']:,.2f}"
    say(f"Today: {found['charged_today']:,.2f}{budget} {found['currency']}; policy: {found['policy']}")


@app.command(name="test")
def check_now(
    names: Annotated[tuple[str, ...], Parameter(help="Only these.", negative=())] = (),
    /,
    *,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """Ask providers whether they would take work now, free of charge. Fails unless all would."""
    with connected(api) as client:
        found = client.call("POST", "/providers/test", json={"providers": names})
    if as_json:
        print_json(found)
    else:
        for each in found["items"]:
            outcome = "would take work" if each["is_ok"] else f"{each['code']}: {each['message']}"
            say(f"{each['provider']}: {outcome} ({each['seconds'] or 0:.1f} s)")
    if troubled := [each["provider"] for each in found["items"] if not each["is_ok"]]:
        raise ApiError(f"Not ready: {', '.join(troubled)}.")


@app.command
def reset(name: Annotated[str, Parameter(help="Name of the provider.")], /, *, api: Api = "") -> None:
    """Forget a provider's failures, and let requests through to it again."""
    with connected(api) as client:
        found = client.call("POST", f"/providers/{quote(name, safe='')}/reset")
    say(f"{found['name']}: {found['health']}")


def _row(each: Document, currency: str) -> tuple[str | Text, ...]:
    return (
        each["name"],
        each["engine"],
        Text(each["health"], style=_STYLES[each["health"]]),
        each["breaker"],
        str(each["failures"]),
        _seconds(each["response_seconds"]),
        _seconds(each["making_seconds"]),
        str(each["generations"]),
        f"{each['charged']:,.2f} {currency}",
        local_time(each["checked_at"]),
    )


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"
