"""The ledger and the providers over HTTP."""

import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import State, StateType

from data.database import Database
from data.domain.generations import Capability, GenerationRequest, GenerationState
from data.domain.ledger import BreakerState, Generation, Subject
from data.repositories import GenerationRepository, ProviderHealthRepository
from data.settings import GenerationSettings, ProviderSettings, Settings
from deployments.stack import Stack
from tests.api.conftest import Prefect, ServeApi
from tests.conftest import WaitUntil

GENERATIONS, PROVIDERS = "/api/v1/generations", "/api/v1/providers"


@pytest.fixture(scope="module")
def client(
    serve_api: ServeApi, settings: Settings, database: Database, prefect: Prefect, prefect_server: Stack
) -> Iterator[httpx.Client]:
    """An API with two providers."""
    providers = [
        ProviderSettings(name="farm", engine="comfyui", url="http://127.0.0.1:9", price_per_generation=0.5),
        ProviderSettings(name="storyboard", engine="storyboard"),
    ]
    generation = GenerationSettings(providers=providers, day_budget=50, test_seconds=8)
    address = serve_api(settings.model_copy(update={"generation": generation}), prefect_server.prefect_api_url)
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


def entry(database: Database, job: str, state: str = "held", **values: Any) -> str:
    request = GenerationRequest(prompt="a sunrise")
    made = Generation(
        id=str(uuid.uuid4()),
        key="key",
        request_digest=request.digest(),
        idempotency_key=uuid.uuid4().hex,
        subject=Subject(job_id=job),
        provider="farm",
        engine="comfyui",
        capability=Capability.TEXT_TO_VIDEO,
        state=GenerationState(state),
        price=0.5,
        request=request,
        created_at=datetime.now(UTC),
        **values,
    )
    with database.session() as session:
        GenerationRepository(session).add(made, "owner")
    return made.id


@pytest.fixture
def job() -> str:
    return str(uuid.uuid4())


def test_the_ledger_is_read_in_pages_with_sums_over_all(client: httpx.Client, database: Database, job: str) -> None:
    for state in ("stored", "stored", "held"):
        entry(database, job, state, charged=0.5 if state == "stored" else None)

    first = client.get(GENERATIONS, params={"job_id": job, "limit": 2}).json()
    second = client.get(GENERATIONS, params={"job_id": job, "limit": 2, "after": first["next"]}).json()
    stored = client.get(GENERATIONS, params={"job_id": job, "state": "stored"}).json()

    assert [len(first["items"]), len(second["items"]), second["next"]] == [2, 1, None]
    assert (first["totals"]["count"], first["totals"]["charged"], first["totals"]["reserved"]) == (3, 1.0, 0.5)
    assert stored["totals"]["by_state"] == {"stored": 2}
    assert first["items"][0]["links"]["job"] == f"/api/v1/jobs/{job}"


def test_a_person_decides_about_what_is_held(client: httpx.Client, database: Database, job: str) -> None:
    one, two, three = (f"{GENERATIONS}/{entry(database, job)}" for _ in range(3))
    assert client.get(one).json()["moves"] == ["release", "adopt", "drop"]

    released = client.post(f"{one}/release").json()
    adopted = client.post(f"{two}/adopt", json={"provider_id": "theirs"}).json()
    dropped = client.post(f"{three}/drop").json()

    assert (released["state"], released["charged"]) == ("prepared", None)
    assert (adopted["state"], adopted["provider_id"], adopted["charged"]) == ("accepted", "theirs", 0.5)
    assert (dropped["state"], dropped["moves"]) == ("cancelled", [])
    again = client.post(f"{three}/release")
    assert (again.status_code, again.json()["code"]) == (409, "REQUEST.ILLEGAL_MOVE")
    assert client.post(f"{two}/adopt", json={}).status_code == 422
    assert client.post(f"{GENERATIONS}/nothing/drop").status_code == 404


def test_the_status_tells_how_providers_are(client: httpx.Client, database: Database, job: str) -> None:
    entry(database, job, "stored", charged=0.5)
    with database.session() as session:
        health = ProviderHealthRepository(session)
        health.note_call("farm", 0.2, ("PROVIDER.UNAVAILABLE", "It is down."))
        health.count_failure("farm")
        health.set_breaker("farm", BreakerState.OPEN)

    found = client.get(f"{PROVIDERS}/status").json()
    farm, storyboard = found["items"]

    assert (farm["name"], farm["health"], farm["breaker"], farm["failures"]) == ("farm", "unhealthy", "open", 1)
    assert farm["last_failure"]["code"] == "PROVIDER.UNAVAILABLE"
    assert farm["cost_per_generation"] == 0.5
    assert (storyboard["health"], storyboard["last_test"]) == ("healthy", None)
    assert found["charged_today"] >= 0.5

    reset = client.post(f"{PROVIDERS}/farm/reset").json()
    assert (reset["health"], reset["breaker"]) == ("healthy", "closed")
    assert client.post(f"{PROVIDERS}/nobody/reset").status_code == 404


def test_a_test_is_carried_out_by_a_worker(
    client: httpx.Client, prefect: Prefect, database: Database, wait_until: WaitUntil
) -> None:
    def work() -> None:
        wait_until(lambda: _checks(prefect), 20, "the run of the test")
        with database.session() as session:
            ProviderHealthRepository(session).note_test("farm", 0.1, "PROVIDER.UNAVAILABLE", "It is down.")
        prefect.force(_checks(prefect)[0], State(type=StateType.COMPLETED))

    worker = threading.Thread(target=work)
    worker.start()
    answer = client.post(f"{PROVIDERS}/test", json={"providers": ["farm"]})
    worker.join(30)

    assert answer.status_code == 200, answer.text
    [farm] = answer.json()["items"]
    assert (farm["provider"], farm["is_ok"], farm["code"]) == ("farm", False, "PROVIDER.UNAVAILABLE")


@pytest.mark.slow
def test_a_test_that_no_worker_carries_out_ends_in_time(client: httpx.Client, prefect: Prefect) -> None:
    answer = client.post(f"{PROVIDERS}/test")

    assert (answer.status_code, answer.json()["code"]) == (504, "INFRA.TIME_LIMIT")
    assert _checks(prefect) == [], "nobody begins it later"
    assert client.post(f"{PROVIDERS}/test", json={"providers": ["nobody"]}).status_code == 404


def _checks(prefect: Prefect) -> list[str]:
    """The runs of the test that have not ended; asked for by their deployment, as a read of all is cut at 200 runs."""
    deployment = prefect.client.read_deployment_by_name("check-providers/on-demand")
    wanted = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
    runs = prefect.client.read_flow_runs(deployment_filter=wanted)
    return [str(run.id) for run in runs if run.state is not None and not run.state.is_final()]
