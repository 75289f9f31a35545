"""Batches as the command line shows them."""

from typing import Any

from rich.text import Text

from data.domain.batches import BatchPlan
from data.domain.windows import NightWindow
from flows.cli.client import Client, Document
from flows.cli.output import local_minute, local_time, print_facts, state_text

item_columns = ("ROW", "ID", "STATE", "STEP", "TRY", "CODE", "SOURCE", "MESSAGE")
_ENDS = ("succeeded", "failed", "skipped", "rejected", "cancelled")
_OPEN = ("running", "queued", "feeding", "pending")


def summary_row(batch: Document) -> tuple[Any, ...]:
    """Return a batch as a row of a list."""
    counts = batch["counts"]
    return (
        batch["id"],
        state_text(batch["state"], batch["reason"]),
        f"{counts['rows']:,}",
        f"{counts['ended']:,}",
        Text(f"{counts['failed']:,}", style="red" if counts["failed"] else ""),
        local_time(batch["created_at"]),
        batch["name"],
    )


def item_row(item: Document) -> tuple[Any, ...]:
    """Return a row of a manifest as a row of a list."""
    state = state_text(item["state"], item["reason"])
    code = item["code"] or ""
    return (
        str(item["row"]),
        item["custom_id"],
        state,
        item["step"] or "",
        str(item["attempt"]),
        code,
        item["source"],
        item["message"].partition("\n")[0],
    )


def print_plan(batch: Document) -> None:
    """Print what a batch will do."""
    from tasks.bulk.plan_text import plan_rows  # takes a second to import, and is needed here alone

    window = batch["options"]["window"]
    rows = plan_rows(BatchPlan.model_validate(batch["plan"]), window and NightWindow.model_validate(window))
    facts: dict[str, str | Text] = {}
    for label, value in rows:
        key = label if label not in facts else f"{label} {sum(known.startswith(label) for known in facts) + 1}"
        facts[key] = Text(value, style="yellow" if label in ("warning", "needs approval") else "")
    print_facts(facts)


def print_batch(client: Client, batch: Document) -> None:
    """Print everything about a batch."""
    counts, progress = batch["counts"], batch["progress"]
    asked = f"asked to {batch['asked']}" if batch["asked"] else None
    facts = {
        "Batch": batch["id"],
        "Name": batch["name"],
        "State": state_text(batch["state"], batch["reason"] or asked),
        "Message": batch["message"],
        "Rows": equation(counts),
        "Progress": f"{progress['share']:.0%}" + pace(progress),
        "Spent": f"{batch['spent']:.2f} {batch['currency']}" if batch["spent"] else None,
        "Retries": batch["retry_of"],
        "Created": local_time(batch["created_at"]),
        "Started": local_time(batch["started_at"]),
        "Ended": local_time(batch["ended_at"]),
        "Manifest": batch["manifest"],
        "Report": client.address(batch["links"]["report"]),
        "Prefect": batch["links"]["prefect"],
        "Moves": ", ".join(batch["moves"]),
    }
    print_facts({name: value for name, value in facts.items() if value})


def equation(counts: Document) -> Text:
    """Say where the rows are, and whether they are all accounted for."""
    ended = " + ".join(f"{counts[name]:,} {name}" for name in _ENDS if counts[name])
    still = ", ".join(f"{counts[name]:,} {name}" for name in _OPEN if counts[name])
    if not counts["rows"]:  # The check is not through with them.
        return Text(", ".join(filter(None, (ended.replace(" + ", ", "), still))) or "none yet")
    line = Text(f"{counts['rows']:,}")
    line.append(f" = {ended}" if ended and counts["balances"] else f": {ended}" if ended else "")
    if still:
        line.append(f"; {still}" if ended else f": {still}")
    elif counts["rows"] and not counts["balances"]:
        line.append(" - not every row is accounted for", style="bold red")
    return line


def pace(progress: Document) -> str:
    """Say how fast it goes, and when it will be done."""
    rate, at = progress["items_per_minute"], local_minute(progress["finishes_at"])
    return (f", {rate:,g} a minute" if rate else "") + (f", done about {at}" if at else "")
