"""Crashed runs are tried again while attempts remain: a crash is the machine's fault, not the video's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterEndTime, FlowRunFilterTags
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, State, StateType
from prefect.states import AwaitingRetry

from data.domain.jobs import BATCH_TAG, ITEM_TAG, JOB_TAG
from tasks.reconcile.machine import Machine
from tasks.reconcile.runs import of_types, old_place, propose, read_runs

LATELY = timedelta(days=3)
"""How far back crashes are looked for: over a weekend during which nothing ran."""
GRACE = timedelta(minutes=1)
"""A job that has just ended may still be on its way out, and one that is to be tried again says so by then."""


@dataclass(frozen=True)
class RetryRule:
    """How often the runs with a tag may start; ``None``: as often as it takes."""

    tag: str
    attempts: int | None


def retry_rules(job_attempts: int) -> tuple[RetryRule, ...]:
    """Return the rules; of several that a run's tags name, the first one counts.

    Args:
        job_attempts: How often a job may start.
    """
    return (
        RetryRule(ITEM_TAG, 0),  # its batch's feed does that, and counts
        RetryRule(BATCH_TAG, None),  # a feed goes on where it was, and no item may be lost with it
        RetryRule(JOB_TAG, job_attempts),
    )


def has_attempts(run: FlowRun, rules: Sequence[RetryRule]) -> bool:
    """Say whether a crashed run is to be tried again."""
    rule = next((rule for rule in rules if rule.tag in run.tags), None)
    return rule is not None and (rule.attempts is None or run.run_count < rule.attempts)


def may_go_on(run: FlowRun, rules: Sequence[RetryRule], now: datetime) -> bool:
    """Say whether a run works, or may yet: it has not ended, or only just, or crashed and will be tried again."""
    if run.state is None or run.state.type not in TERMINAL_STATES or now - run.state.timestamp < GRACE:
        return True
    return run.state.type is StateType.CRASHED and has_attempts(run, rules)


def read_crashed(client: SyncPrefectClient, rules: Sequence[RetryRule]) -> list[FlowRun]:
    """Read the runs that crashed lately and that a rule is about."""
    return read_runs(
        client,
        FlowRunFilter(
            tags=FlowRunFilterTags(any_=[rule.tag for rule in rules]),
            state=of_types([StateType.CRASHED]),
            end_time=FlowRunFilterEndTime(after_=datetime.now(UTC) - LATELY),
        ),
    )


def queue_crashed(client: SyncPrefectClient, rules: Sequence[RetryRule], look: Callable[[], Machine]) -> list[FlowRun]:
    """Queue crashed runs again while attempts remain; return them.

    A run that Prefect takes for dead while its process lives here (it was silent for too long: the server was away)
    is left to that process, which will say how it ended; a second one beside it would do the work twice.

    Args:
        client: Prefect's.
        rules: How often which runs may start.
        look: Reads the process table.
    """
    crashed = [run for run in read_crashed(client, rules) if has_attempts(run, rules)]
    running = look().running if crashed else frozenset()
    return [run for run in crashed if str(run.id) not in running and propose(client, run, _next_attempt(run))]


def _next_attempt(run: FlowRun) -> State[Any]:
    message = f"Attempt {run.run_count} crashed; the next one goes on after the last finished step."
    return AwaitingRetry(message=message, scheduled_time=old_place(run))
