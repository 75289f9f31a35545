import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State, StateType

from data.domain.errors import OrchestratorUnavailableError
from deployments.stack import Stack
from tasks.bulk.fleet import Fleet, Order
from tasks.bulk.verdicts import RunFate
from tests.fakes.deployments import register


@pytest.fixture(scope="module")
def client(prefect_server: Stack) -> Iterator[SyncPrefectClient]:
    with SyncPrefectClient(prefect_server.prefect_api_url) as client:
        register(client, cpu_slots=2)
        yield client


@pytest.fixture
def fleet(client: SyncPrefectClient) -> Fleet:
    return Fleet(client)


def order(key: str, **fields: Any) -> Order:
    defaults = {"deployment": "process-items/on-demand", "name": "a run", "queue": "default", "parameters": {"n": 1}}
    return Order(run_key=key, **{**defaults, **fields})


def made(fleet: Fleet, *orders: Order) -> dict[str, str]:
    """Order until everything is made, as the feed does: a server on SQLite is busy now and then."""
    for _ in range(20):
        runs, refused = fleet.create(orders)
        if len(runs) == len(orders):
            return runs
    raise AssertionError(refused)


def test_the_same_key_is_the_same_run(fleet: Fleet, client: SyncPrefectClient) -> None:
    one, two = uuid.uuid4().hex, uuid.uuid4().hex

    first = made(fleet, order(one, queue="high", tags=("batch:x",), labels={"dailies.row": 7}))
    both = made(fleet, order(one), order(two, deployment="process-asset/on-demand"))

    assert both[one] == first[one]
    assert both[two] != both[one]
    run = client.read_flow_run(uuid.UUID(first[one]))
    assert (run.name, run.work_queue_name, run.parameters) == ("a run", "high", {"n": 1})
    assert {"dailies-item", "batch:x"} <= set(run.tags)
    assert run.labels["dailies.row"] == 7


def test_more_than_prefect_takes_at_once_are_made(fleet: Fleet) -> None:
    keys = [uuid.uuid4().hex for _ in range(103)]

    runs = made(fleet, *[order(key) for key in keys])

    assert set(runs) == set(keys)
    assert len(set(runs.values())) == 103


def test_a_report_tells_a_run_s_end_and_a_run_that_is_gone_is_lost(fleet: Fleet, client: SyncPrefectClient) -> None:
    key = uuid.uuid4().hex
    run_id = made(fleet, order(key))[key]
    assert fleet.reports([run_id])[run_id].fate is RunFate.WAITING

    client.set_flow_run_state(uuid.UUID(run_id), State(type=StateType.FAILED, message="[DATA.X] bad"), force=True)
    unknown = str(uuid.uuid4())
    reports = fleet.reports([run_id, unknown])

    assert (reports[run_id].fate, reports[run_id].message) == (RunFate.FAILED, "[DATA.X] bad")
    assert reports[unknown].fate is RunFate.LOST


def test_cancel_stops_what_lives_and_leaves_what_has_ended(fleet: Fleet, client: SyncPrefectClient) -> None:
    keys = [uuid.uuid4().hex for _ in range(3)]
    waiting, running, done = (made(fleet, order(key))[key] for key in keys)
    client.set_flow_run_state(uuid.UUID(running), State(type=StateType.RUNNING), force=True)
    client.set_flow_run_state(uuid.UUID(done), State(type=StateType.COMPLETED), force=True)

    fleet.cancel([waiting, running, done])

    states = {run_id: client.read_flow_run(uuid.UUID(run_id)).state_type for run_id in (waiting, running, done)}
    assert states == {waiting: StateType.CANCELLED, running: StateType.CANCELLING, done: StateType.COMPLETED}


def test_the_pool_s_limit_is_its_slots(fleet: Fleet) -> None:
    assert fleet.slots("cpu") == 2


def test_what_prefect_lacks_is_said(fleet: Fleet) -> None:
    with pytest.raises(OrchestratorUnavailableError, match="bootstrap"):
        fleet.create([order("x", deployment="nobody/knows")])


def test_a_server_that_is_away_is_a_typed_error() -> None:
    with SyncPrefectClient("http://127.0.0.1:9/api") as nobody, pytest.raises(OrchestratorUnavailableError):
        Fleet(nobody).reports([str(uuid.uuid4())])


def test_runs_are_counted_until_they_are_over_or_gone(fleet: Fleet, client: SyncPrefectClient) -> None:
    keys = [uuid.uuid4().hex for _ in range(3)]
    runs = made(fleet, *map(order, keys))
    waiting, over, gone = (uuid.UUID(runs[key]) for key in keys)
    counts = [fleet.count_alive(runs.values())]
    client.set_flow_run_state(over, State(type=StateType.COMPLETED), force=True)
    counts.append(fleet.count_alive(runs.values()))
    client.delete_flow_run(gone)
    counts.append(fleet.count_alive(runs.values()))
    client.set_flow_run_state(waiting, State(type=StateType.RUNNING), force=True)

    assert [*counts, fleet.count_alive(runs.values()), fleet.count_alive([])] == [3, 2, 1, 1, 0]
