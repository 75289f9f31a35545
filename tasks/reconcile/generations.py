"""Generations whose job is over: found here, settled by :mod:`tasks.providers.settling`.

A job that fails or is cancelled settles what it began itself; this is for jobs whose process was killed meanwhile, or
deleted. What needs no provider is ended at once. Providers may take their time, which upkeep does not have: they are
asked by a run of its own, of which there is one in ten minutes at most.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, StateType

from data.database import Database
from data.domain.ledger import Generation, Subject
from data.repositories import BatchRepository, GenerationRepository
from tasks.providers.settling import is_released, needs_provider, settle_here
from tasks.reconcile.attempts import GRACE, RetryRule, may_go_on
from tasks.reconcile.runs import read_runs_by_id

SETTLE_DEPLOYMENT = "settle-generations/on-demand"
MOST_ENTRIES = 500
"""Looked at in a round, the oldest first: those of living jobs end some day, too."""
_EVERY_SECONDS = 600


@dataclass(frozen=True)
class Forgotten:
    """An entry in flight whose jobs are over: the one that began it, and those that took it up."""

    entry: Generation
    is_unwanted: bool
    """The jobs were cancelled; otherwise somebody may still try one again."""


def find_forgotten(
    client: SyncPrefectClient, database: Database, rules: Sequence[RetryRule], now: datetime
) -> tuple[Forgotten, ...]:
    """Return the entries in flight whose job is over, the oldest first.

    Args:
        client: Prefect's.
        database: The catalogue.
        rules: How often which runs may start.
        now: The time, aware.
    """
    with database.session() as session:
        entries = GenerationRepository(session).in_flight(MOST_ENTRIES)
        batches = {subject.batch_id for each in entries for subject in each.subjects if subject.batch_id}
        living = {batch for batch in batches if _lives(BatchRepository(session), batch)}
    # The feed of a batch that lives tries lost items again, with runs of other ids.
    free = [
        each
        for each in entries
        if now - each.created_at > GRACE and not any(subject.batch_id in living for subject in each.subjects)
    ]
    run_ids = {_run_id(subject) for each in free for subject in each.subjects}
    runs = {str(run.id): run for run in read_runs_by_id(client, run_ids)} if run_ids else {}
    return tuple(_forgotten(free, runs, rules, now))


def settle_forgotten(
    client: SyncPrefectClient, database: Database, rules: Sequence[RetryRule], now: datetime
) -> list[str]:
    """Settle what needs no provider, and have a run made that asks the providers for the rest; return what was done.

    Args:
        client: Prefect's.
        database: The catalogue.
        rules: How often which runs may start.
        now: The time, aware.
    """
    forgotten = find_forgotten(client, database, rules, now)
    elsewhere = [each for each in forgotten if needs_provider(each.entry)]
    here = [each.entry.id for each in forgotten if each not in elsewhere and settle_here(database, each.entry)]
    done = [f"{generation_id} cancelled" for generation_id in here]
    if elsewhere and _have_providers_asked(client, now):
        done.append(f"providers are asked about {len(elsewhere)}")
    return done


def _have_providers_asked(client: SyncPrefectClient, now: datetime) -> bool:
    """Make a run unless there was one lately; say whether one was made."""
    deployment = client.read_deployment_by_name(SETTLE_DEPLOYMENT)
    name, turn = f"settle-{uuid4().hex[:8]}", int(now.timestamp()) // _EVERY_SECONDS
    run = client.create_flow_run_from_deployment(deployment.id, name=name, idempotency_key=f"settle-generations {turn}")
    return run.name == name


def _lives(batches: BatchRepository, batch_id: str) -> bool:
    batch = batches.find(batch_id)
    return batch is not None and batch.ended_at is None


def _forgotten(
    entries: Sequence[Generation], runs: Mapping[str, FlowRun], rules: Sequence[RetryRule], now: datetime
) -> Iterator[Forgotten]:
    for entry in entries:
        theirs = [runs.get(_run_id(subject)) for subject in entry.subjects]
        if is_released(entry, now) or any(run is not None and may_go_on(run, rules, now) for run in theirs):
            continue
        yield Forgotten(entry, is_unwanted=all(_is_cancelled(run) for run in theirs))


def _is_cancelled(run: FlowRun | None) -> bool:
    return run is not None and run.state is not None and run.state.type is StateType.CANCELLED


def _run_id(subject: Subject) -> str:
    return subject.job_id.partition(":")[0]
