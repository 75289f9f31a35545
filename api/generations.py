"""What the calls about generations and their providers do."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from api.artifact_schemas import JobGeneration
from api.cursors import CreatedPosition
from api.dependencies import Services
from api.generation_schemas import (
    GenerationAnswer,
    GenerationLinks,
    Generations,
    ProviderFailure,
    Providers,
    ProviderStatus,
    ProviderTestResult,
)
from api.links import batch_url, generation_url, job_url
from api.privacy import without_local_paths
from data.domain.errors import NotFoundError
from data.domain.generations import GenerationState
from data.domain.ledger import Generation, ProviderHealth
from data.repositories import AssetRepository, GenerationFilter, GenerationRepository, ProviderHealthRepository
from data.settings import ProviderSettings

MOST_OF_A_JOB = 50
"""Entries that are shown of one job; one that is tried again and again has more."""


def list_generations(services: Services, chosen: GenerationFilter, after: str | None, limit: int) -> Generations:
    """Return entries of the ledger, the latest first, with sums.

    Raises:
        InvalidRequestError: ``after`` is no cursor.
    """
    before = CreatedPosition.decode(after).key if after else None
    with services.database.session() as session:
        ledger = GenerationRepository(session)
        found = ledger.page(chosen, before=before, limit=limit + 1)
        totals = ledger.totals(chosen)
    page = found[:limit]
    last = CreatedPosition(page[-1].created_at, page[-1].id).encode() if len(found) > limit else None
    items = tuple(shown(entry, services) for entry in page)
    return Generations(items=items, next=last, totals=totals, currency=services.settings.batch.currency)


def get_generation(services: Services, generation_id: str) -> GenerationAnswer:
    """Return an entry of the ledger.

    Raises:
        NotFoundError: There is none with that id.
    """
    with services.database.session() as session:
        return shown(GenerationRepository(session).get(generation_id), services)


def release(services: Services, generation_id: str) -> GenerationAnswer:
    """Let a held generation be sent again.

    Raises:
        NotFoundError: There is none with that id.
        IllegalMoveError: It is not held.
    """
    with services.database.session() as session:
        return shown(GenerationRepository(session).release(generation_id), services)


def adopt(services: Services, generation_id: str, provider_id: str) -> GenerationAnswer:
    """Give a held generation the id that the provider knows it by.

    Raises:
        NotFoundError: There is none with that id.
        IllegalMoveError: It is not held.
    """
    with services.database.session() as session:
        return shown(GenerationRepository(session).adopt(generation_id, provider_id), services)


def drop(services: Services, generation_id: str) -> GenerationAnswer:
    """End a held generation.

    Raises:
        NotFoundError: There is none with that id.
        IllegalMoveError: It is not held.
    """
    with services.database.session() as session:
        return shown(GenerationRepository(session).drop(generation_id), services)


def shown(entry: Generation, services: Services) -> GenerationAnswer:
    """Return an entry as the API shows it."""
    subject = entry.subject
    job = subject.job_id.partition(":")[0]  # an item of a pack has the run that works on it
    same = entry.model_dump(exclude={"key", "request_digest", "subject", "request", "message"})
    return GenerationAnswer(
        **same,
        request=entry.request,
        message=without_local_paths(entry.message),
        job_id=subject.job_id,
        batch_id=subject.batch_id,
        batch_row=subject.batch_row,
        currency=services.settings.batch.currency,
        moves=entry.moves,
        links=GenerationLinks(
            self=generation_url(entry.id),
            job=job_url(job),
            batch=batch_url(subject.batch_id) if subject.batch_id else None,
        ),
    )


def generations_of_job(session: Session, job_id: str, asset_id: str | None, currency: str) -> tuple[JobGeneration, ...]:
    """Return what was asked of providers for a job, the latest first, as its owner sees it.

    Args:
        session: A unit of work.
        job_id: The job.
        asset_id: What the job works on, once that is known: a generation of another job that made it is told, too.
        currency: Of the charges.
    """
    ledger = GenerationRepository(session)
    entries = ledger.page(GenerationFilter(job_id=job_id), limit=MOST_OF_A_JOB)
    told = tuple(_of_job(entry, currency) for entry in entries)
    if asset_id is None or any(entry.state is GenerationState.STORED for entry in entries):
        return told
    found = ledger.of_result(AssetRepository(session).get(asset_id).sha256)
    return told if found is None else (_of_job(found, currency, is_reused=True), *told)


def provider_statuses(services: Services) -> Providers:
    """Return the providers of the settings with how they are."""
    generation = services.settings.generation
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with services.database.session() as session:
        health = ProviderHealthRepository(session).all()
        ledger = GenerationRepository(session)
        accepted, today = ledger.by_provider(), ledger.spent(GenerationFilter(since=midnight))
    items = [
        _status(each, health.get(each.name) or ProviderHealth(provider=each.name), *accepted.get(each.name, (0, 0.0)))
        for each in generation.providers
    ]
    return Providers(
        policy=generation.policy,
        currency=services.settings.batch.currency,
        day_budget=generation.day_budget,
        charged_today=today,
        items=tuple(items),
    )


def reset_provider(services: Services, name: str) -> ProviderStatus:
    """Let requests through to a provider again.

    Raises:
        NotFoundError: The settings know no provider of that name.
    """
    known_providers(services, [name])
    with services.database.session() as session:
        ProviderHealthRepository(session).reset(name)
    return next(each for each in provider_statuses(services).items if each.name == name)


def known_providers(services: Services, names: Sequence[str]) -> tuple[str, ...]:
    """Return the named providers; without any name, all.

    Raises:
        NotFoundError: The settings know no provider of a name.
    """
    known = tuple(each.name for each in services.settings.generation.providers)
    if unknown := [name for name in names if name not in known]:
        raise NotFoundError(f"The settings know no provider {unknown[0]!r}.", {"providers": unknown})
    return tuple(names) or known


def results_of_tests(services: Services, names: Sequence[str], since: datetime) -> tuple[ProviderTestResult, ...]:
    """Return what tests came to that were carried out since then."""
    with services.database.session() as session:
        health = ProviderHealthRepository(session).all()
    return tuple(_fresh(health.get(name) or ProviderHealth(provider=name), since) for name in names)


def _of_job(entry: Generation, currency: str, *, is_reused: bool = False) -> JobGeneration:
    names = ("id", "provider", "engine", "model", "capability", "state", "created_at", "code")
    made = entry.made_at - entry.sent_at if entry.made_at and entry.sent_at else None
    return JobGeneration(
        **{name: getattr(entry, name) for name in names},
        seconds=made.total_seconds() if made is not None else None,
        charged=0.0 if is_reused else entry.charged,
        currency=currency,
        is_reused=is_reused,
        message=without_local_paths(entry.message),
        passed_over=tuple(
            each.model_copy(update={"message": without_local_paths(each.message)}) for each in entry.passed_over
        ),
    )


def _fresh(health: ProviderHealth, since: datetime) -> ProviderTestResult:
    found = _test_of(health)
    if found is None or found.at is None or found.at < since:
        message = "The test itself failed: the log of its run says why."
        return ProviderTestResult(provider=health.provider, is_ok=False, code="INFRA.UNKNOWN", message=message)
    return found


def _test_of(health: ProviderHealth) -> ProviderTestResult | None:
    if health.tested_at is None:
        return None
    return ProviderTestResult(
        provider=health.provider,
        is_ok=health.test_code is None,
        at=health.tested_at,
        seconds=health.test_seconds,
        code=health.test_code,
        message=without_local_paths(health.test_message),
    )


def _status(provider: ProviderSettings, health: ProviderHealth, generations: int, charged: float) -> ProviderStatus:
    failure = None
    if health.failed_at is not None and health.code is not None:
        failure = ProviderFailure(at=health.failed_at, code=health.code, message=without_local_paths(health.message))
    names = ("breaker", "failures", "checked_at", "response_seconds", "making_seconds", "calls", "failed_calls")
    return ProviderStatus(
        name=provider.name,
        engine=provider.engine,
        model=provider.model,
        health=health.health,
        **{name: getattr(health, name) for name in names},
        generations=generations,
        charged=charged,
        cost_per_generation=charged / generations if generations else None,
        price_per_generation=provider.price_per_generation,
        price_per_second=provider.price_per_second,
        requests_per_minute=provider.requests_per_minute,
        last_failure=failure,
        last_test=_test_of(health),
    )
