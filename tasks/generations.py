"""Generations as tasks: video from a prompt or a script, made once and paid once; and the test of the providers."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

import httpx
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.concurrency.sync import rate_limit
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger

from data.database import open_database
from data.domain.errors import OrchestratorUnavailableError
from data.domain.generations import GenerationRequest
from data.domain.ledger import StoredGeneration, Subject
from data.domain.limits import rate_limit_name
from data.settings import GenerationSettings, Settings, get_settings
from data.storage import open_store
from tasks.media.tools import find_tools
from tasks.own_run import OwnRun
from tasks.policies import TASK_POLICY
from tasks.progress import report_progress
from tasks.providers.checks import ProviderTest, tested
from tasks.providers.generation import Generator, Rules
from tasks.providers.ledger import Ledger
from tasks.providers.registry import Registry, provider_configs
from tasks.providers.settling import Settlement
from tasks.providers.work import Patience, Surroundings
from tasks.reconcile.attempts import retry_rules
from tasks.reconcile.generations import find_forgotten
from tasks.stopping import waiting
from tasks.workspace import job_id, run_id, workspace

SETTLE_SECONDS = 120.0
"""After this a round begins nothing further."""


@task(task_run_name="make", **TASK_POLICY)
def generate_media(request: GenerationRequest, subject: Subject) -> StoredGeneration:
    """Make video (a picture, a voice …) from words, unless the same was made before; paid work is paid once.

    A step that is tried again, or a run that begins again, goes on with the generation that is under way.
    """
    result = generate(request, subject)
    how = "found again" if result.is_reused else f"made for {result.charged:g}"
    get_run_logger().info("%s by %s, %s: %s", request.capability.value, result.provider, how, result.key)
    return result


def generate(request: GenerationRequest, subject: Subject | None = None) -> StoredGeneration:
    """Make what a request asks for, as a plain call: for a step of its own, or for an item of a pack.

    Args:
        request: What to make.
        subject: For whom; by default the job that this code works for.

    Raises:
        GenerationHeldError: Nobody knows whether a provider has accepted it: a person decides.
        GenerationRefusedError: A provider's policy forbids it.
        BudgetSpentError: A cap of the job, the batch or the day would be passed.
        NoProviderError: No provider can do this.
        ProviderError: The providers that can were tried, and failed.
    """
    settings = get_settings()
    return open_generator(settings).generate(request, subject or Subject(job_id=job_id()), report_progress)


@task(task_run_name="settle generations", persist_result=False, cache_policy=NO_CACHE)
def settle_at_providers() -> list[str]:
    """Ask providers about what they still have of jobs that are over; return what became of it."""
    settings = get_settings()
    rules, settled, began = settings.generation, [], time.monotonic()
    database, registry = open_database(settings.catalogue_url), open_registry()
    settlement = Settlement(registry, database, _surroundings(settings, registry), _rules(rules))
    with get_client(sync_client=True) as client:
        attempts = retry_rules(settings.orchestration.crash_attempts)
        forgotten = find_forgotten(client, database, attempts, datetime.now(UTC))
    for each in forgotten:
        if time.monotonic() - began > SETTLE_SECONDS:
            break
        with waiting():
            state = settlement.settle(each.entry, is_unwanted=each.is_unwanted)
        if state is not None:
            settled.append(f"{each.entry.id} {state.value}")
            get_run_logger().info("The generation %s of a job that is over is %s now.", each.entry.id, state.value)
    return settled


@task(task_run_name="test {name}", persist_result=False, cache_policy=NO_CACHE)
def check_provider(name: str) -> ProviderTest:
    """See whether a provider would take work now; nothing is paid. What comes of it is in its status."""
    settings = get_settings()
    return tested(name, open_registry(), open_database(settings.catalogue_url))


def open_generator(settings: Settings) -> Generator:
    """Return what makes one generation, as the settings say; Prefect keeps the rate limits."""
    database, registry = open_database(settings.catalogue_url), open_registry()
    around = _surroundings(settings, registry)
    return Generator(registry, database, around, _rules(settings.generation), is_cancelled=_is_cancelled)


def _surroundings(settings: Settings, registry: Registry) -> Surroundings:
    rules, media = settings.generation, settings.media
    return Surroundings(
        ledger=Ledger(open_database(settings.catalogue_url), rules.day_budget),
        store=open_store(settings.storage_url, **settings.storage_options),
        tools=find_tools(media.ffmpeg, media.ffprobe, media.packager),
        workspace=workspace,
        rate_limit=lambda name: _wait_for_turn(name, registry),
        patience=Patience(poll_seconds=rules.poll_seconds, timeout_seconds=rules.timeout_seconds),
        sleep=_sleep,
    )


def _rules(rules: GenerationSettings) -> Rules:
    return Rules(rules.policy, rules.breaker_failures, rules.breaker_seconds)


@lru_cache(maxsize=1)
def open_registry() -> Registry:
    """Return this process's providers: what they have loaded stays loaded."""
    return Registry(provider_configs(get_settings()))


def _wait_for_turn(name: str, registry: Registry) -> None:
    """Wait until a provider's rate limit lets one more request through."""
    if registry.configs[name].limits.requests_per_minute is None:
        return
    try:
        with waiting():
            rate_limit(rate_limit_name(name))
    except (httpx.HTTPError, PrefectException) as error:
        raise OrchestratorUnavailableError(f"Prefect does not keep the rate limit of {name}: {error}") from error


def _sleep(seconds: float) -> None:
    """Wait for a provider; it has a time limit of its own."""
    with waiting():
        time.sleep(seconds)


def _is_cancelled() -> bool:
    """Say whether somebody has cancelled the run that this code works in."""
    if not run_id():
        return False
    with OwnRun.opened(UUID(run_id())) as own:
        return own.is_cancelled()
