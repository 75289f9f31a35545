"""``python -m flows logs …``: what all jobs have logged."""

from typing import Annotated, Literal

from cyclopts import App, Parameter

from flows.cli.client import Api, connected
from flows.cli.jobs import log_line
from flows.cli.output import Json, print_json, say

app = App(name="logs", help="Search the logs of all jobs.")


@app.command
def search(
    text: Annotated[str, Parameter(help="Found in the line, whatever its case.")] = "",
    /,
    *,
    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], Parameter(help="This level and above.")
    ] = "INFO",
    job: Annotated[str | None, Parameter(help="Only the log of this job.")] = None,
    limit: Annotated[int, Parameter(help="Most lines.")] = 50,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """Find lines, the latest first."""
    with connected(api) as client:
        lines = client.items("/logs/search", limit, text=text or None, level=level, job=job)
    if as_json:
        print_json(lines)
        return
    for line in lines:
        say(f"{log_line(line)}  (run {line['run_id']})")
