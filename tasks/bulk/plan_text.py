"""A plan in words: rows of a table for terminals and reports, what has to be approved, and what to be warned about."""

from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from data.domain.batches import BatchOptions, BatchPlan, StepEstimate
from data.domain.windows import AtEnd, NightWindow
from tasks.bulk.assumptions import Sample
from tasks.bulk.clock import nights
from tasks.bulk.sorting import Named, Sorted


def plan_rows(plan: BatchPlan, window: NightWindow | None = None) -> tuple[tuple[str, str], ...]:
    """Return a plan as (label, value) rows, times being those of the window's place, else of this machine.

    Args:
        plan: The plan.
        window: The batch's night window.
    """
    zone = ZoneInfo(window.time_zone) if window else None
    rows = [
        ("rows", f"{plan.rows:,}"),
        ("new", f"{plan.new:,}"),
        ("unchanged", f"{plan.unchanged:,}"),
        ("duplicate", f"{plan.duplicate:,}"),
        ("rejected", f"{plan.rejected:,}"),
        ("material", f"{duration(plan.media_seconds)} in {size(plan.bytes_in)}, about {size(plan.bytes_out)} out"),
        *((step.step, _step(step, plan.currency)) for step in plan.steps),
        ("cost", f"about {plan.cost:,.2f} {plan.currency}"),
        ("starts", _moment(plan.starts_at, plan.starts_at, zone)),
        ("finishes", f"about {_moment(plan.finishes_at, plan.starts_at, zone)}, after {duration(plan.wall_seconds)}"),
        *(("needs approval", reason) for reason in plan.approval_needed),
        *(("warning", warning) for warning in plan.warnings),
    ]
    return tuple(rows)


def approvals(plan: BatchPlan, options: BatchOptions) -> tuple[str, ...]:
    """Return why a person has to say yes to a plan first."""
    reasons = []
    cost, hours = options.approve_above_cost, options.approve_above_hours
    if cost is not None and plan.cost > cost:
        reasons.append(f"It is expected to cost {plan.cost:,.2f} {plan.currency}, more than {cost:,.2f}.")
    if hours is not None and plan.wall_seconds > hours * 3600:
        reasons.append(f"It is expected to take {duration(plan.wall_seconds)}, more than {duration(hours * 3600)}.")
    return tuple(reasons)


def warnings(
    plan: BatchPlan, options: BatchOptions, items: Sorted, sample: Sample, *, is_guess: bool
) -> tuple[str, ...]:
    """Return what a person should know before the night.

    Args:
        plan: The plan, without its warnings.
        options: The batch's.
        items: What it holds.
        sample: What looking into some of the sources found.
        is_guess: Nothing was known of any source.
    """
    found = []
    if sample.bad:
        names = "; ".join(f"{source} ({error.code})" for source, error in list(sample.bad.items())[:3])
        looked = len(sample.bad) + len(sample.facts)
        found.append(f"{len(sample.bad)} of {looked} sources that were looked into are no good: {names}.")
    if items.missing.count:
        found.append(f"{_named(items.missing, 'sources')} cannot be found or read.")
    if items.unreadable_recipes.count:
        found.append(f"The recipe of {_named(items.unreadable_recipes, 'items')} cannot be read any more.")
    if plan.media_seconds and is_guess:
        found.append("Nothing is known of the length of the sources: it is guessed from their size.")
    if plan.new and not any(step.learnt_from for step in plan.steps):
        found.append("Nothing was learnt from past runs yet: times are only good for the order of magnitude.")
    return (*found, *_deadlines(plan, options))


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


def size(bytes_: float) -> str:
    """Return a number of bytes for people, in decimal units."""
    for unit in ("B", "kB", "MB", "GB"):
        if bytes_ < 1000:
            return f"{bytes_:.3g} {unit}"
        bytes_ /= 1000
    return f"{bytes_:,.1f} TB"


def _deadlines(plan: BatchPlan, options: BatchOptions) -> list[str]:
    found = []
    window = options.window
    zone = ZoneInfo(window.time_zone) if window else None
    if options.finish_by is not None and plan.finishes_at > options.finish_by:
        late = duration((plan.finishes_at - options.finish_by).total_seconds())
        found.append(f"It is expected to be done {late} after {_moment(options.finish_by, plan.starts_at, zone)}.")
    closes_at = window.next_closing(plan.starts_at) if window else None
    if window is None or closes_at is None:
        return found
    at = _moment(closes_at, plan.starts_at, zone)
    if window.at_end is AtEnd.PAUSE and (count := nights(plan.starts_at, plan.finishes_at, window)) > 1:
        found.append(f"The window closes at {at} before all is done: it takes {count} nights.")
    elif window.at_end is AtEnd.FINISH and plan.finishes_at > closes_at:
        found.append(f"It is expected to go on after the window closes at {at}.")
    elif window.at_end is AtEnd.SHED and plan.finishes_at >= closes_at:
        found.append(f"The window closes at {at} before all is done: what is not of high priority is left out then.")
    return found


def _step(step: StepEstimate, currency: str) -> str:
    learnt = f"from {step.learnt_from} past runs" if step.learnt_from else "a default"
    cost = f", {step.cost:,.2f} {currency}" if step.cost else ""
    return f"{duration(step.machine_seconds)} of machine time for {step.items:,} items{cost} ({learnt})"


def _moment(moment: datetime, now: datetime, zone: tzinfo | None) -> str:
    """Return a time as the clocks there show it, with the day when it is not today's or tonight's."""
    local = moment.astimezone(zone)
    name = zone.key if isinstance(zone, ZoneInfo) else local.tzname()
    day = f" on {local:%a %d %b %Y}" if abs(moment - now) > timedelta(hours=16) else ""
    return f"{local:%H:%M}{day} ({name})"


def _named(named: Named, what: str) -> str:
    more = " …" if named.count > len(named.examples) else ""
    return f"{named.count:,} {what} ({', '.join(named.examples)}{more})"
