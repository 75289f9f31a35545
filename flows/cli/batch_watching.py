"""Follow a batch: a live table on a terminal, a line for every change elsewhere."""

import time

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from data.domain.batches import ENDED_BATCHES
from flows.cli.batch_calls import batch_path
from flows.cli.batch_views import equation, pace
from flows.cli.client import Client, Document
from flows.cli.output import STATE_STYLES, console, local_time, say, state_text

POLL_SECONDS = 1.0
REPORT_SECONDS = 60.0
"""How long the report of an ended batch is waited for; without a worker there is none until one is back."""
_BARS = ("succeeded", "failed", "skipped", "rejected", "cancelled", "running", "queued", "pending")


def watch_batch(client: Client, batch: Document, *, is_quiet: bool = False) -> Document:
    """Wait for the end of a batch, showing how far it is; return the ended batch.

    Args:
        client: Calls the API.
        batch: The batch as it is now.
        is_quiet: Show nothing.
    """
    if is_quiet or not console.is_terminal:
        return _reported(client, _followed(client, batch, is_quiet=is_quiet))
    with Live(_picture(batch), console=console, refresh_per_second=4, transient=True) as live:
        while not _is_over(batch):
            time.sleep(POLL_SECONDS)
            batch = client.get(batch_path(batch["id"]))
            live.update(_picture(batch))
        return _reported(client, batch)


def _reported(client: Client, batch: Document) -> Document:
    """Wait a little for the report of a batch that has just ended: its feed writes it last."""
    deadline = time.monotonic() + REPORT_SECONDS
    while batch["state"] in ENDED_BATCHES and not batch["links"]["report"] and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        batch = client.get(batch_path(batch["id"]))
    return batch


def _followed(client: Client, batch: Document, *, is_quiet: bool) -> Document:
    said = ""
    while True:
        line = f"{_headline(batch)}  {batch['progress']['share']:.0%}  {equation(batch['counts'])}"
        if line != said and not is_quiet:
            say(f"{local_time(batch['ended_at']) or time.strftime('%F %T %Z')}  {line}{pace(batch['progress'])}")
            said = line
        if _is_over(batch):
            return batch
        time.sleep(POLL_SECONDS)
        batch = client.get(batch_path(batch["id"]))


def _is_over(batch: Document) -> bool:
    """It has ended, or waits for a person's word, which may be long in coming."""
    return batch["state"] in ENDED_BATCHES or "start" in batch["moves"]


def _headline(batch: Document) -> Text:
    return state_text(batch["state"], batch["reason"] or (batch["asked"] and f"asked to {batch['asked']}"))


def _picture(batch: Document) -> Group:
    counts, progress = batch["counts"], batch["progress"]
    title = Text.assemble((batch["name"], "bold"), "  ", _headline(batch))
    bars = Table.grid(padding=(0, 2, 0, 0))
    bars.add_row("work", ProgressBar(total=1, completed=progress["share"], width=40), f"{progress['share']:.0%}")
    for name in _BARS:
        if counts[name]:
            bar = ProgressBar(
                total=max(counts["rows"], 1),
                completed=counts[name],
                width=40,
                complete_style=STATE_STYLES.get(name, "blue"),
                finished_style=STATE_STYLES.get(name, "blue"),
            )
            bars.add_row(name, bar, f"{counts[name]:,} of {counts['rows']:,}")
    lines: list[RenderableType] = [title, bars, Text(pace(progress).removeprefix(", "), style="dim")]
    if batch["message"]:
        lines.insert(1, Text(batch["message"], style="yellow"))
    return Group(*lines)
