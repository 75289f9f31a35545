"""``python -m flows batch …``: manifests in, morning reports out."""

import tempfile
import webbrowser
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from data.domain.batches import BatchState, ItemState
from data.domain.errors import FailureClass
from flows.cli.batch_calls import (
    Choices,
    Options,
    batch_path,
    hand_in,
    moment,
    settled,
)
from flows.cli.batch_views import item_columns, item_row, print_batch, print_plan, summary_row
from flows.cli.batch_watching import watch_batch
from flows.cli.client import Api, ApiError, Client, Document, connected
from flows.cli.output import Json, print_json, print_table, say, state_text

app = App(name="batch", help="Hand in manifests, plan them, watch them, and read what came of them.")

BatchId = Annotated[str, Parameter(help="Id of the batch.")]
Manifest = Annotated[
    str, Parameter(help="A CSV, JSONL or Parquet file here, or an address: `s3://…`, `https://…`, `upload:<id>`.")
]
Output = Annotated[Path | None, Parameter(name=("--output", "-o"), help="Write to this file; `-` by default.")]


@app.command
def plan(manifest: Manifest, /, *, choices: Choices | None = None, api: Api = "", as_json: Json = False) -> None:
    """Check a manifest and say what it would do, how long that takes and what it costs. `start` goes on from there."""
    with connected(api) as client:
        batch = settled(client, hand_in(client, "/batches/plan", manifest, choices or Options()))
    if as_json:
        print_json(batch)
    elif batch["plan"]:
        print_plan(batch)
        say(f"\npython -m flows batch start {batch['id']}")
    if batch["state"] != BatchState.PLANNED:
        raise ApiError(f"The batch {batch['id']} is {batch['state']}: {batch['message'] or batch['reason']}")


@app.command
def submit(
    manifest: Manifest,
    /,
    *,
    choices: Choices | None = None,
    webhook: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="Who is told of the batch: an address, or the id of a webhook; repeatable."),
    ] = (),
    watch: Annotated[
        bool, Parameter(name=("--watch", "-w"), negative=(), help="Follow it to its end; fail unless it completes.")
    ] = False,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """Hand in a manifest to be done."""
    with connected(api) as client:
        batch = hand_in(client, "/batches", manifest, choices or Options(), webhook)
        _told(client, batch, watch=watch, as_json=as_json)


@app.command(name="list")
def list_batches(
    *,
    state: Annotated[tuple[BatchState, ...], Parameter(negative=(), help="Only in this state; repeatable.")] = (),
    limit: Annotated[int, Parameter(help="Most batches to list.")] = 20,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """List batches, the latest first."""
    with connected(api) as client:
        batches = client.items("/batches", limit, state=[each.value for each in state])
    if as_json:
        print_json(batches)
        return
    print_table(("ID", "STATE", "ROWS", "DONE", "FAILED", "CREATED", "NAME"), [summary_row(each) for each in batches])


@app.command
def show(batch: BatchId, /, *, api: Api = "", as_json: Json = False) -> None:
    """Show a batch: where its rows are, when it will be done, and what can be asked of it."""
    with connected(api) as client:
        found = client.get(batch_path(batch))
    print_json(found) if as_json else print_batch(client, found)


@app.command
def watch(batch: BatchId, /, *, api: Api = "", as_json: Json = False) -> None:
    """Follow a batch to its end. Succeeds only if it completes and every row is accounted for."""
    with connected(api) as client:
        _watched(client, client.get(batch_path(batch)), as_json)


@app.command
def items(
    batch: BatchId,
    /,
    *,
    state: Annotated[tuple[ItemState, ...], Parameter(negative=(), help="Only in this state; repeatable.")] = (),
    limit: Annotated[int, Parameter(help="Most rows to list.")] = 100,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """List the rows of a batch."""
    with connected(api) as client:
        rows = client.items(batch_path(batch, "items"), limit, state=[each.value for each in state])
    if as_json:
        print_json(rows)
        return
    print_table(item_columns, [item_row(each) for each in rows])


@app.command
def start(batch: BatchId, /, *, api: Api = "", as_json: Json = False) -> None:
    """Let a planned batch begin: after `plan`, or because its plan needs approval."""
    _move(api, as_json, batch, "start")


@app.command
def pause(batch: BatchId, /, *, api: Api = "", as_json: Json = False) -> None:
    """Start nothing more for a batch; what runs is done to its end."""
    _move(api, as_json, batch, "pause")


@app.command
def resume(batch: BatchId, /, *, api: Api = "", as_json: Json = False) -> None:
    """Go on with a paused batch."""
    _move(api, as_json, batch, "resume")


@app.command
def cancel(batch: BatchId, /, *, api: Api = "", as_json: Json = False) -> None:
    """Stop a batch for good; what was published stays."""
    _move(api, as_json, batch, "cancel")


@app.command
def retry(
    batch: BatchId,
    /,
    *,
    failure_class: Annotated[
        tuple[FailureClass, ...],
        Parameter(name="--class", negative=(), help="Only of this failure class; repeatable."),
    ] = (),
    code: Annotated[
        tuple[str, ...], Parameter(negative=(), help="Only this code, or codes that begin so; repeatable.")
    ] = (),
    step: Annotated[tuple[str, ...], Parameter(negative=(), help="Only what failed in this step; repeatable.")] = (),
    provider: Annotated[
        tuple[str, ...], Parameter(negative=(), help="Only rows that this provider was asked for; repeatable.")
    ] = (),
    older_than: Annotated[str | None, Parameter(help="Only what ended longer ago: `2h`, `1d`, or a time.")] = None,
    newer_than: Annotated[str | None, Parameter(help="Only what ended since: `2h`, `1d`, or a time.")] = None,
    name: Annotated[str, Parameter(help="Name of the new batch.")] = "",
    watch: Annotated[bool, Parameter(name=("--watch", "-w"), negative=(), help="Follow the new batch.")] = False,
    api: Api = "",
    as_json: Json = False,
) -> None:
    """Try rows of an ended batch again that failed or were cancelled, as a new batch."""
    rows = {
        "classes": [each.value for each in failure_class],
        "codes": code,
        "steps": step,
        "providers": provider,
        "ended_before": moment(older_than),
        "ended_after": moment(newer_than),
    }
    with connected(api) as client:
        made = client.call("POST", batch_path(batch, "retry"), json={"rows": rows, "name": name})
        _told(client, made, watch=watch, as_json=as_json)


@app.command
def report(
    batch: BatchId,
    /,
    *,
    output: Output = None,
    open_it: Annotated[bool, Parameter(name="--open", negative=(), help="Open it in the browser.")] = False,
    api: Api = "",
) -> None:
    """Fetch the morning report, one HTML page."""
    if open_it and output is None:
        output = Path(tempfile.gettempdir()) / f"report-{batch}.html"
    with connected(api) as client:
        client.download(batch_path(batch, "report"), output)
    if open_it and output is not None:
        webbrowser.open(output.resolve().as_uri())


@app.command
def results(
    batch: BatchId,
    /,
    *,
    output: Output = None,
    kind: Annotated[Literal["csv", "parquet"], Parameter(name="--format", help="Of the file.")] = "csv",
    api: Api = "",
) -> None:
    """Fetch the manifest's rows with what came of each."""
    with connected(api) as client:
        client.download(batch_path(batch, "results"), output, format=kind)


@app.command
def rejects(batch: BatchId, /, *, output: Output = None, api: Api = "") -> None:
    """Fetch the rows that were refused, with what is wrong with each."""
    with connected(api) as client:
        client.download(batch_path(batch, "rejects"), output)


@app.command(name="retry-manifest")
def retry_manifest(batch: BatchId, /, *, output: Output = None, api: Api = "") -> None:
    """Fetch the rows that failed or were cancelled as a manifest, to be put right and handed in again."""
    with connected(api) as client:
        client.download(batch_path(batch, "retry-manifest"), output)


def _move(api: str, as_json: bool, batch: str, move: str) -> None:
    with connected(api) as client:
        moved = client.call("POST", batch_path(batch, move))
    if as_json:
        print_json(moved)
    else:
        asked = moved["asked"] and f"asked to {moved['asked']}"
        say(state_text(moved["state"], moved["reason"] or asked))


def _told(client: Client, batch: Document, *, watch: bool, as_json: bool) -> None:
    if watch:
        _watched(client, batch, as_json)
    elif as_json:
        print_json(batch)
    else:
        say(batch["id"])


def _watched(client: Client, batch: Document, as_json: bool) -> None:
    ended = watch_batch(client, batch, is_quiet=as_json)
    print_json(ended) if as_json else print_batch(client, ended)
    if ended["state"] != BatchState.COMPLETED:
        why = ended["message"] or ended["reason"] or "see its report"
        raise ApiError(f"The batch {ended['id']} is {ended['state']}: {why}")
    if not ended["counts"]["balances"]:
        raise ApiError(f"The batch {ended['id']} does not account for every row.")
