"""A plan in words: rows of a table for terminals. Imports little, as a command line does that only wants to print."""

from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from data.domain.batches import BatchPlan, StepEstimate
from data.domain.sizes import size_text
from data.domain.windows import NightWindow


def plan_rows(plan: BatchPlan, window: NightWindow | None = None) -> tuple[tuple[str, str], ...]:
    """Return a plan as (label, value) rows, times being those of the window's place, else of this machine.

    Args:
        plan: The plan.
        window: The batch's night window.
    """
    zone = ZoneInfo(window.time_zone) if window else None
    came, out = size_text(plan.bytes_in), size_text(plan.bytes_out)
    rows = [
        ("rows", f"{plan.rows:,}"),
        ("new", f"{plan.new:,}"),
        ("unchanged", f"{plan.unchanged:,}"),
        ("duplicate", f"{plan.duplicate:,}"),
        ("rejected", f"{plan.rejected:,}"),
        ("material", f"{duration(plan.media_seconds)} in {came}, about {out} out"),
        *((("copies", f"about {size_text(plan.bytes_copied)} to publish targets"),) if plan.bytes_copied else ()),
        *((step.step, _step(step, plan.currency)) for step in plan.steps),
        ("cost", f"about {plan.cost:,.2f} {plan.currency}"),
        ("starts", clock_time(plan.starts_at, plan.starts_at, zone)),
        (
            "finishes",
            f"about {clock_time(plan.finishes_at, plan.starts_at, zone)}, after {duration(plan.wall_seconds)}",
        ),
        *(("needs approval", reason) for reason in plan.approval_needed),
        *(("warning", warning) for warning in plan.warnings),
    ]
    return tuple(rows)


def duration(seconds: float) -> str:
    """Return a length of time for people: ``4 s``, ``12 min``, ``3 h 05 min``, ``2 d 4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24} d {hours % 24} h"


def clock_time(moment: datetime, now: datetime, zone: tzinfo | None) -> str:
    """Return a time as the clocks there show it, with the day when it is not today's or tonight's."""
    local = moment.astimezone(zone)
    name = zone.key if isinstance(zone, ZoneInfo) else local.tzname()
    day = f" on {local:%a %d %b %Y}" if abs(moment - now) > timedelta(hours=16) else ""
    return f"{local:%H:%M}{day} ({name})"


def _step(step: StepEstimate, currency: str) -> str:
    learnt = f"from {step.learnt_from} past runs" if step.learnt_from else "a default"
    cost = f", {step.cost:,.2f} {currency}" if step.cost else ""
    return f"{duration(step.machine_seconds)} of machine time for {step.items:,} items{cost} ({learnt})"
