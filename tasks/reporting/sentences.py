"""The report in words: what came of the batch, when and why it ended, and whether every row is accounted for."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from data.domain.batches import ENDED_BATCHES, BatchReason, BatchState, SkipReason
from data.domain.nights import NightFacts
from data.domain.windows import NightWindow
from tasks.reporting.wording import Clock, capital, counted, duration, either, listed, money, number, rate, share

Tone = Literal["good", "warning", "bad"]
_ENDINGS = {BatchState.STOPPED: "Stopped", BatchState.CANCELLED: "Cancelled", BatchState.REJECTED: "Refused"}
_FINAL_STATES = ("succeeded", "failed", "skipped", "rejected", "cancelled")


@dataclass(frozen=True, slots=True)
class Equation:
    """Rows in = succeeded + failed + skipped + rejected + cancelled, with what is wrong about it."""

    rows: int
    terms: tuple[tuple[str, int], ...]
    """State and count, all five."""
    problems: tuple[str, ...]
    """Why it does not balance, in sentences; empty when it does."""

    @property
    def balances(self) -> bool:
        """Say whether every row is accounted for."""
        return not self.problems


def clock_of(facts: NightFacts) -> Clock:
    """Return the clock of the place where the batch's night is: that of its window, else UTC."""
    window = facts.batch.options.window
    return Clock(window.time_zone if window else "UTC", *span_of(facts))


def span_of(facts: NightFacts) -> tuple[datetime, datetime]:
    """Return when the batch began and ended; one that has not begun or ended, when it came in or was reported."""
    begins = facts.batch.started_at or facts.batch.created_at
    return begins, max(begins, facts.batch.ended_at or facts.made_at)


def equation(facts: NightFacts) -> Equation:
    """Check the equation with the rows of the manifest itself on one side and the items on the other."""
    terms = tuple((state, getattr(facts.counts, state)) for state in _FINAL_STATES)
    return Equation(facts.counts.rows, terms, tuple(_problems(facts)))


def _problems(facts: NightFacts) -> Iterator[str]:
    counts = facts.counts
    still_open = counts.pending + counts.in_flight
    if still_open:
        states = [
            f"{number(count)} {state}"
            for state in ("pending", "feeding", "queued", "running")
            if (count := getattr(counts, state))
        ]
        yield f"{counted(still_open, 'row')} {either(still_open, 'has')} not ended ({listed(states)})."
    lost = counts.rows - counts.ended - still_open
    if lost > 0:
        yield f"{counted(lost, 'row')} of the manifest {either(lost, 'is')} unaccounted for."
    if lost < 0:
        yield f"There {either(-lost, 'is')} {counted(-lost, 'item')} more than the manifest has rows."
    if facts.batch.rows not in (0, counts.rows):
        now = counted(counts.rows, "row")
        yield f"The manifest has {now} now, but had {number(facts.batch.rows)} when it was checked."


def tone_of(facts: NightFacts) -> Tone:
    """Say how good the news is."""
    if not equation(facts).balances or facts.batch.state in (BatchState.STOPPED, BatchState.REJECTED):
        return "bad"
    counts = facts.counts
    return "warning" if counts.failed or counts.rejected or counts.cancelled or facts.in_review else "good"


def outcome(facts: NightFacts) -> str:
    """Return what became of the rows: ``1,000 rows: 968 published, 12 failed, 15 unchanged and 5 rejected``."""
    rows, parts = facts.counts.rows, _parts(facts)
    if not rows and not parts:
        is_refused = facts.batch.reason is BatchReason.INVALID_MANIFEST
        return "No rows were taken in." if is_refused else "The manifest has no rows."
    label = capital(counted(rows, "row"))
    if len(parts) == 1 and parts[0][0] == rows:
        [(count, word)] = parts
        return f"{label}: {word if count == 1 else f'all {word}'}."
    return f"{label}: {listed([f'{number(count)} {word}' for count, word in parts]) or 'none accounted for'}."


def _parts(facts: NightFacts) -> list[tuple[int, str]]:
    counts, skipped = facts.counts, facts.skipped
    unchanged, duplicate = skipped.get(SkipReason.UNCHANGED, 0), skipped.get(SkipReason.DUPLICATE, 0)
    parts = [
        (counts.succeeded - facts.in_review, "published"),
        (facts.in_review, "waiting for review"),
        (counts.failed, "failed"),
        (unchanged, "unchanged"),
        (duplicate, either(duplicate, "duplicate")),
        (counts.skipped - unchanged - duplicate, "skipped"),
        (counts.rejected, "rejected"),
        (counts.cancelled, "cancelled"),
        (counts.pending + counts.in_flight, "not ended"),
    ]
    return [(count, word) for count, word in parts if count > 0]


def ending(facts: NightFacts, clock: Clock) -> str:
    """Return when the batch ended and why, and how that lies to its window: one sentence."""
    batch = facts.batch
    if batch.state not in ENDED_BATCHES or batch.ended_at is None:
        return f"Not over: the batch was {batch.state.value} at {clock.time(facts.made_at)}."
    at = clock.time(batch.ended_at)
    if batch.state is BatchState.COMPLETED:
        return f"Finished at {at}{_beside_window(facts, clock)}."
    why = _why(facts)
    return f"{_ENDINGS[batch.state]} at {at}{why and f': {why}'}."


def _beside_window(facts: NightFacts, clock: Clock) -> str:
    ended = facts.batch.ended_at
    nights = windows_of(facts)
    if ended is None or not nights:
        return ""
    closes = nights[-1][1]
    if ended < closes:
        return f", {duration((closes - ended).total_seconds())} before the window closes at {clock.time(closes)}"
    return f", {duration((ended - closes).total_seconds())} after the window closed at {clock.time(closes)}"


def _why(facts: NightFacts) -> str:
    options, currency = facts.batch.options, facts.batch.plan.currency if facts.batch.plan else "USD"
    budget = options.failure_budget
    reasons = {
        BatchReason.REQUEST: "somebody asked for it",
        BatchReason.CANARY_FAILED: "too many of the canary items failed",
        BatchReason.FAILURE_BUDGET: f"more than {share(budget.share, 1)} of the items had failed",
        BatchReason.REPEATED_FAILURE: f"{counted(budget.same_code, 'item')} in a row failed with the same code",
        BatchReason.COST_BUDGET: f"it reached its cap of {money(options.max_cost or 0, currency)}",
        BatchReason.WINDOW_CLOSED: "the night window closed",
        BatchReason.INVALID_ROWS: "the manifest has invalid rows, and the batch takes all of its rows or none",
        BatchReason.INVALID_MANIFEST: "the manifest as a whole cannot be used",
    }
    return reasons.get(facts.batch.reason, "") if facts.batch.reason else ""


def windows_of(facts: NightFacts) -> tuple[tuple[datetime, datetime], ...]:
    """Return the openings and closings of the night window that the batch lay in; empty without a window."""
    window = facts.batch.options.window
    return tuple(_windows(window, *span_of(facts))) if window and window.opens != window.closes else ()


def _windows(window: NightWindow, begins: datetime, ends: datetime) -> Iterator[tuple[datetime, datetime]]:
    opens = window.next_opening(begins)
    while opens <= ends:
        closes = window.next_closing(opens)
        if closes is None:
            return
        yield opens, closes
        opens = window.next_opening(closes)


def against_deadline(facts: NightFacts, clock: Clock) -> str:
    """Return how the end lies to the deadline; empty without one or before the end."""
    due, ended = facts.batch.options.finish_by, facts.batch.ended_at
    if due is None or ended is None:
        return ""
    gap = duration(abs((due - ended).total_seconds()))
    return f"That is {gap} {'before' if ended <= due else 'after'} the deadline, {clock.time(due)}."


def against_plan(facts: NightFacts, clock: Clock) -> str:
    """Return how the end lies to the planned one; empty when the work did not run to its end."""
    plan, ended = facts.batch.plan, facts.batch.ended_at
    if plan is None or ended is None or facts.batch.state is not BatchState.COMPLETED:
        return ""
    late = (ended - plan.finishes_at).total_seconds()
    took = (ended - facts.batch.started_at).total_seconds() if facts.batch.started_at else 0.0
    if abs(late) < min(60, max(5, took / 10)):
        return "That is as planned."
    gap = f"{duration(abs(late))} {'later' if late > 0 else 'earlier'}"
    return f"That is {gap} than planned, {clock.time(plan.finishes_at)}."


def throughput_sentence(facts: NightFacts) -> str:
    """Return what was got through in which time; empty when nothing was worked on."""
    begins, ends = span_of(facts)
    worked, seconds = facts.counts.succeeded + facts.counts.failed, (ends - begins).total_seconds()
    if not worked:
        return ""
    text = f"{capital(counted(worked, 'item'))} in {duration(seconds)}"
    if not facts.media_seconds:
        return f"{text}."
    text += f": {duration(facts.media_seconds)} of video published"
    speed = facts.media_seconds / seconds if seconds else 0.0
    return f"{text}, at {rate(speed)} × real time." if speed >= 0.05 else f"{text}."


def canary_sentence(facts: NightFacts) -> str:
    """Return what the items that went first came to; empty without any."""
    canary = facts.canary
    if canary is None:
        return ""
    text = f"{capital(counted(canary.items, 'item'))} went first, alone: {counted(canary.failed, 'failure')}."
    if not canary.passed:
        return f"{text} That was too many, and nothing else was begun."
    others = facts.counts.succeeded + facts.counts.failed > canary.items
    return f"{text} The others followed." if others else text
