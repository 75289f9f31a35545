"""The rows of the report's tables, as text: failures, the slowest items, plan against reality, pauses."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

from data.domain.batches import BatchPlan, BatchReason, BatchState, StepEstimate
from data.domain.errors import FailureClass
from data.domain.nights import FailureGroup, ItemExample, NightFacts, StepActual
from data.domain.sizes import size_text
from tasks.reporting.advice import advice_for
from tasks.reporting.sentences import span_of
from tasks.reporting.wording import Clock, counted, duration, listed, money, number, share

MAX_GROUPS = 12
_BLAME = {
    FailureClass.DATA: "the input",
    FailureClass.TRANSIENT: "a passing fault",
    FailureClass.PROVIDER: "a provider",
    FailureClass.POLICY: "a policy",
    FailureClass.INFRA: "the machines",
    FailureClass.BUDGET: "a budget",
    FailureClass.CANCELLED: "a request",
}
_PAUSES = {
    BatchReason.REQUEST: "somebody asked for it",
    BatchReason.NIGHT_WINDOW: "outside the night window",
    BatchReason.APPROVAL_NEEDED: "waited for approval",
    BatchReason.COST_BUDGET: "reached its cap of cost",
}


@dataclass(frozen=True, slots=True)
class FailureRow:
    """One kind of failure."""

    code: str
    failure_class: str
    blame: str
    count: int
    share: str
    """Of all that failed."""
    width: float
    """Length of its bar in percent of the longest."""
    steps: str
    advice: str
    examples: tuple[ItemExample, ...]
    more: int
    """How many there are beside the examples."""


@dataclass(frozen=True, slots=True)
class SlowRow:
    """One slow item."""

    row: int
    name: str
    source: str
    wall: str
    media: str
    factor: str
    """How much longer than it plays."""
    width: float
    failed: bool
    attempts: int
    href: str


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One line of plan against reality."""

    name: str
    planned: str
    actual: str
    difference: str
    planned_width: float = 0.0
    actual_width: float = 0.0
    note: str = ""


def failure_rows(groups: tuple[FailureGroup, ...], total: int) -> tuple[FailureRow, ...]:
    """Return the most frequent kinds of failure, at most :data:`MAX_GROUPS`."""
    most = max((group.count for group in groups), default=1)
    return tuple(
        FailureRow(
            code=group.code or "no code",
            failure_class=group.failure_class or "unknown",
            blame=_BLAME.get(FailureClass(group.failure_class), "") if group.failure_class in set(FailureClass) else "",
            count=group.count,
            share=share(group.count, total),
            width=100 * group.count / most,
            steps=_steps_of(group),
            advice=advice_for(group.code, group.failure_class),
            examples=group.examples,
            more=group.count - len(group.examples),
        )
        for group in groups[:MAX_GROUPS]
    )


def _steps_of(group: FailureGroup) -> str:
    several = len(group.steps) > 1
    return listed([f"{step} ({number(count)})" if several else step for step, count in group.steps.items()])


def slow_rows(facts: NightFacts) -> tuple[SlowRow, ...]:
    """Return the slowest items."""
    longest = max((item.wall_seconds for item in facts.slowest), default=0.0) or 1.0
    return tuple(
        SlowRow(
            row=item.row,
            name=item.custom_id,
            source=item.source,
            wall=duration(item.wall_seconds),
            media=duration(item.media_seconds) if item.media_seconds else "–",
            factor=f"{item.wall_seconds / item.media_seconds:.1f} ×" if item.media_seconds else "–",
            width=100 * item.wall_seconds / longest,
            failed=item.state == "failed",
            attempts=item.attempts,
            href=watch_address(facts, item.asset_id) if item.state == "succeeded" else "",
        )
        for item in facts.slowest
    )


def watch_address(facts: NightFacts, asset_id: str | None) -> str:
    """Return the address of an asset's player page; empty when there is none to link to."""
    base = facts.links.watch_base
    return base + quote(asset_id, safe="") if base and asset_id else ""


def plan_rows(facts: NightFacts, clock: Clock) -> tuple[PlanRow, ...]:
    """Return the whole batch, plan against reality; empty without a plan."""
    plan = facts.batch.plan
    return tuple(_plan_rows(facts, plan, clock)) if plan else ()


def _plan_rows(facts: NightFacts, plan: BatchPlan, clock: Clock) -> Iterator[PlanRow]:
    counts = facts.counts
    worked = counts.succeeded + counts.failed
    yield PlanRow("Items to work on", number(plan.new), number(worked), _more(worked - plan.new))
    if plan.media_seconds or facts.media_seconds:
        yield _times("Video published", plan.media_seconds, facts.media_seconds)
    if plan.bytes_copied or facts.copied_bytes:
        before, after = plan.bytes_copied, facts.copied_bytes
        difference = _signed(after - before, before) if before else ""
        yield PlanRow("Copied to targets", size_text(before), size_text(after), difference)
    begins, ends = span_of(facts)
    if facts.batch.ended_at is not None:
        paused = sum(((pause.ends_at or ends) - pause.begins_at).total_seconds() for pause in facts.pauses)
        note = f"{duration(paused)} of it paused" if paused else ""
        yield _times("Beginning to end", plan.wall_seconds, (ends - begins).total_seconds(), note)
        if facts.batch.state is BatchState.COMPLETED:
            late = _sooner(ends - plan.finishes_at)
            yield PlanRow("Finished at", clock.time(plan.finishes_at), clock.time(ends), late)
    if plan.cost or facts.batch.spent:
        spent = facts.batch.spent
        difference = "" if not plan.cost else _signed(spent - plan.cost, plan.cost)
        yield PlanRow("Cost", money(plan.cost, plan.currency), money(spent, plan.currency), difference)


def step_rows(facts: NightFacts) -> tuple[PlanRow, ...]:
    """Return machine time by step, plan against reality, in the order of the pipeline; a side may be unknown."""
    planned = {step.step: step for step in (facts.batch.plan.steps if facts.batch.plan else ())}
    actual = {step.step: step for step in facts.steps}
    seconds = [
        *(each.machine_seconds for each in planned.values()),
        *(each.machine_seconds for each in actual.values()),
    ]
    longest = max(seconds, default=0.0) or 1.0
    currency = facts.batch.plan.currency if facts.batch.plan else "USD"
    names = dict.fromkeys([*planned, *actual])
    return tuple(_step_row(name, planned.get(name), actual.get(name), longest, currency) for name in names)


def _step_row(
    name: str, before: StepEstimate | None, after: StepActual | None, longest: float, currency: str
) -> PlanRow:
    difference = after.machine_seconds - before.machine_seconds if before and after else 0.0
    return PlanRow(
        name,
        duration(before.machine_seconds) if before else "–",
        duration(after.machine_seconds) if after else "–",
        _signed(difference, before.machine_seconds) if before and after else "",
        100 * before.machine_seconds / longest if before else 0.0,
        100 * after.machine_seconds / longest if after else 0.0,
        _step_note(before, after, currency),
    )


def _step_note(before: StepEstimate | None, after: StepActual | None, currency: str) -> str:
    known = after or before
    parts = [counted(known.items, "item")] if known else []
    if after and (after.cost or (before and before.cost)):
        planned = f", planned {money(before.cost, currency)}" if before else ""
        parts.append(f"cost {money(after.cost, currency)}{planned}")
    elif before and before.cost:
        parts.append(f"cost planned {money(before.cost, currency)}")
    return "; ".join(parts)


def _times(name: str, planned: float, actual: float, note: str = "") -> PlanRow:
    return PlanRow(name, duration(planned), duration(actual), _signed(actual - planned, planned), note=note)


def _signed(difference: float, base: float) -> str:
    """Return a difference as a share of the plan: ``+ 12 %``."""
    if not base or abs(difference) < 0.005 * base:
        return "as planned" if base else ""
    return f"{'+' if difference > 0 else '−'} {share(abs(difference), base).removeprefix('> ')}"


def _sooner(late: timedelta) -> str:
    seconds = late.total_seconds()
    if abs(seconds) < 60:
        return "as planned"
    return f"{duration(abs(seconds))} {'later' if seconds > 0 else 'earlier'}"


def _more(difference: int) -> str:
    return "as planned" if not difference else f"{number(abs(difference))} {'more' if difference > 0 else 'fewer'}"


def pause_rows(facts: NightFacts, clock: Clock) -> tuple[tuple[str, str, str], ...]:
    """Return from when to when, for how long and why the batch stood still."""
    _, ends = span_of(facts)
    return tuple(
        (
            f"{clock.time(pause.begins_at)} – {clock.time(pause.ends_at or ends)}",
            duration(((pause.ends_at or ends) - pause.begins_at).total_seconds()),
            pause_reason(pause.reason),
        )
        for pause in facts.pauses
    )


def pause_reason(reason: str) -> str:
    """Return a pause's reason in words."""
    return _PAUSES.get(BatchReason(reason), reason.replace("_", " ")) if reason in set(BatchReason) else reason
