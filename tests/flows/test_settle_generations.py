"""What a provider still has of a job that is over is fetched, by a run in this process on a real Prefect server."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

from data.domain.generations import GenerationState
from data.domain.ledger import Subject
from data.repositories import GenerationRepository
from data.settings import get_settings
from deployments.stack import Stack
from flows.settle_generations import settle_generations
from tasks.generations import open_registry
from tasks.providers.base import RemoteProvider
from tasks.providers.choice import candidates
from tasks.providers.ledger import Ledger
from tests.fakes.generation_world import GenerationWorld, hostile, request, tiny_video
from tests.fakes.hostile_provider import HostileProvider


@pytest.fixture
def server() -> Iterator[HostileProvider]:
    with HostileProvider(tiny_video()).running() as running:
        yield running


@pytest.fixture
def world(
    tmp_path: Path, server: HostileProvider, prefect_server: Stack, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GenerationWorld]:
    provider = hostile(server.url)
    made = GenerationWorld(tmp_path, provider)
    monkeypatch.setenv("DAILIES_HOME", str(tmp_path))
    monkeypatch.setenv("DAILIES_GENERATION__PROVIDERS", json.dumps([provider.model_dump(mode="json")]))
    get_settings.cache_clear()
    open_registry.cache_clear()
    here = {PREFECT_API_URL: prefect_server.prefect_api_url, PREFECT_LOGGING_TO_API_ENABLED: False}
    with temporary_settings(here):
        yield made
    get_settings.cache_clear()
    open_registry.cache_clear()
    made.database.close()


def test_what_a_killed_and_deleted_job_has_paid_for_is_fetched(world: GenerationWorld, server: HostileProvider) -> None:
    server.mishaps.polls_needed = 0
    [chosen] = candidates(request(), world.registry, "order", {})
    entry = Ledger(world.database).prepare(chosen, Subject(job_id=str(uuid.uuid4())))
    provider = world.registry.provider("hostile")
    assert isinstance(provider, RemoteProvider)
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    accepted = {
        "id": "killed",
        "state": GenerationState.ACCEPTED,
        "idempotency_key": "killed",
        "provider_id": provider.submit(entry.request, {}, "killed"),
        "created_at": hour_ago,
        "accepted_at": hour_ago,
    }
    with world.database.session() as session:
        GenerationRepository(session).add(entry.model_copy(update=accepted), "gone")

    settled = settle_generations()

    assert settled == ["killed stored"]
    assert world.states() == ["prepared", "stored"]
    assert server.charges.total() == 1
