"""What a person has to say yes to before a batch begins, and what to be warned about."""

from zoneinfo import ZoneInfo

from data.domain.batches import BatchOptions, BatchPlan
from data.domain.windows import AtEnd
from tasks.bulk.assumptions import Sample
from tasks.bulk.clock import nights
from tasks.bulk.plan_text import clock_time, duration
from tasks.bulk.sorting import Named, Sorted


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


def _deadlines(plan: BatchPlan, options: BatchOptions) -> list[str]:
    found = []
    window = options.window
    zone = ZoneInfo(window.time_zone) if window else None
    if options.finish_by is not None and plan.finishes_at > options.finish_by:
        late = duration((plan.finishes_at - options.finish_by).total_seconds())
        found.append(f"It is expected to be done {late} after {clock_time(options.finish_by, plan.starts_at, zone)}.")
    closes_at = window.next_closing(plan.starts_at) if window else None
    if window is None or closes_at is None:
        return found
    at = clock_time(closes_at, plan.starts_at, zone)
    if window.at_end is AtEnd.PAUSE and (count := nights(plan.starts_at, plan.finishes_at, window)) > 1:
        found.append(f"The window closes at {at} before all is done: it takes {count} nights.")
    elif window.at_end is AtEnd.FINISH and plan.finishes_at > closes_at:
        found.append(f"It is expected to go on after the window closes at {at}.")
    elif window.at_end is AtEnd.SHED and plan.finishes_at >= closes_at:
        found.append(f"The window closes at {at} before all is done: what is not of high priority is left out then.")
    return found


def _named(named: Named, what: str) -> str:
    more = " …" if named.count > len(named.examples) else ""
    return f"{named.count:,} {what} ({', '.join(named.examples)}{more})"
