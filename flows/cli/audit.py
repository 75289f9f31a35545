"""``python -m flows audit …``: who did what, which states runs went through, and whether it is whole."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from data.domain.audit import AuditKind
from data.domain.identity import Scope
from flows.cli.client import MOST_ITEMS, Api, ApiError, connected
from flows.cli.output import Json, local_time, print_json, print_table, say

app = App(name="audit", help="See who did what and which states runs went through; check that it is whole.")

Kind = Annotated[AuditKind | None, Parameter(help="Only calls (`access`) or only states of runs (`transition`).")]
User = Annotated[str | None, Parameter(help="Only by this user.")]
Job = Annotated[str | None, Parameter(help="Only of this run.")]
Resource = Annotated[str | None, Parameter(help="Only about the thing with this id.")]
Trace = Annotated[str | None, Parameter(help="Only of this trace.")]
Needed = Annotated[Scope | None, Parameter(help="Only calls that needed this scope.")]
Route = Annotated[str | None, Parameter(help="Only of this route, as `/api/v1/jobs/{job_id}`.")]
Since = Annotated[str | None, Parameter(help="At that time or later (RFC 3339).")]
_COLUMNS = ("NUMBER", "AT", "WHO", "FROM", "WHAT", "ABOUT", "OUTCOME")


@app.command(name="list")
def list_audit(
    *,
    kind: Kind = None,
    user: User = None,
    job: Job = None,
    resource: Resource = None,
    trace: Trace = None,
    scope: Needed = None,
    route: Route = None,
    since: Since = None,
    limit: Annotated[int, Parameter(help=f"Most to list, up to {MOST_ITEMS}.")] = 50,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """List entries, the latest first."""
    with connected(api) as client:
        query = _query(kind, scope, user=user, job=job, resource=resource, trace_id=trace, route=route, since=since)
        found = client.get("/audit", **query, limit=limit)
    if as_json:
        print_json(found)
    else:
        print_table(_COLUMNS, map(_row, found["items"]))


@app.command
def verify(*, api: Api = "", as_json: Json = False) -> None:
    """Check the whole chain; the exit status is 1 when something was changed, removed or put elsewhere."""
    with connected(api) as client:
        found = client.get("/audit/verify")
    if as_json:
        print_json(found)
    else:
        compared = f"{found['checked']} entries and {found['heads']} kept heads"
        say(f"Whole: {compared}." if found["ok"] else f"NOT whole; looked at {compared}.")
    if fault := found["fault"]:
        raise ApiError(f"Entry {fault['sequence']}: {fault['problem']}.")


@app.command
def export(
    target: Annotated[Path | None, Parameter(help="File to write; standard output by default.")] = None,
    /,
    *,
    kind: Kind = None,
    user: User = None,
    job: Job = None,
    resource: Resource = None,
    trace: Trace = None,
    scope: Needed = None,
    route: Route = None,
    since: Since = None,
    api: Api = "",
) -> None:
    """Write entries as JSON lines, oldest first."""
    query = _query(kind, scope, user=user, job=job, resource=resource, trace_id=trace, route=route, since=since)
    with connected(api) as client:
        client.download("/audit/export", target, **query)
    if target is not None:
        say(f"Written to {target}")


def _query(kind: AuditKind | None, scope: Scope | None, **texts: str | None) -> dict[str, str]:
    """Return what was given."""
    given = {"kind": kind and kind.value, "scope": scope and scope.value, **texts}
    return {name: value for name, value in given.items() if value is not None}


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    if entry["kind"] == AuditKind.TRANSITION:
        what, about = f"{entry['from_state'] or ''} → {entry['to_state']}", entry["job"]
        outcome = entry["reason"]
    else:
        what, about = f"{entry['method']} {entry['route']}", entry["resource"]
        outcome = str(entry["status"])
    who = f"{entry['user']}/{entry['key']}" if entry["key"] else entry["user"]
    cells = (str(entry["sequence"]), local_time(entry["at"]), who, entry["address"], what, about, outcome)
    return tuple(cell or "" for cell in cells)
