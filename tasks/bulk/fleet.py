"""The runs of a batch at Prefect: made, looked at and stopped many at a time."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, StateType
from prefect.exceptions import ObjectNotFound

from data.domain.batches import Priority
from data.domain.errors import OrchestratorUnavailableError
from data.domain.jobs import ITEM_TAG
from data.telemetry.tracing import labels_of
from tasks.bulk.verdicts import RunReport
from tasks.telemetry import run_traceparent

CREATE_AT_ONCE = 100
READ_AT_ONCE = 200
CHANGE_AT_ONCE = 50
"""Prefect's own limits for one call."""
_ALIVE = FlowRunFilterState(type=FlowRunFilterStateType(any_=sorted(set(StateType) - TERMINAL_STATES)))
_STOPPABLE = ["SCHEDULED", "PENDING", "RUNNING", "PAUSED"]


@dataclass(frozen=True, slots=True)
class Order:
    """A run to be made; the same key is the same run, however often it is ordered."""

    deployment: str
    """``flow/deployment``."""
    run_key: str
    name: str
    queue: Priority
    parameters: Mapping[str, Any]
    labels: Mapping[str, str | int] = field(default_factory=dict)
    tags: Sequence[str] = ()


class Fleet:
    """Runs at Prefect, through one client. Lives as long as a feed.

    Each method raises ``OrchestratorUnavailableError`` when Prefect does not answer, or lacks what it needs.
    """

    def __init__(self, client: SyncPrefectClient) -> None:
        self._client = client
        self._deployments: dict[str, UUID] = {}

    def create(self, orders: Sequence[Order]) -> tuple[dict[str, str], dict[str, str]]:
        """Make runs; return the ids of those that exist now, and why others could not be made, both by run key.

        Prefect makes the runs of one call in one transaction. Where it could not make one, what it says of the others
        is not certain: they are in neither answer, and are to be ordered again.
        """
        made: dict[str, str] = {}
        refused: dict[str, str] = {}
        for deployment in sorted({order.deployment for order in orders}):
            wanted = iter([order for order in orders if order.deployment == deployment])
            while some := list(islice(wanted, CREATE_AT_ONCE)):
                results = {
                    order.run_key: each for order, each in zip(some, self._create(deployment, some), strict=True)
                }
                failed = {key: str(each["error"]) for key, each in results.items() if each["status"] != "CREATED"}
                refused |= failed
                if not failed:
                    made |= {key: each["flow_run_id"] for key, each in results.items()}
        return made, refused

    def reports(self, run_ids: Collection[str]) -> dict[str, RunReport]:
        """Return what Prefect says of runs; one that it does not know is reported as lost."""
        reports = dict.fromkeys(run_ids, RunReport())
        wanted = iter(sorted(run_ids))
        while some := [UUID(run_id) for run_id in islice(wanted, READ_AT_ONCE)]:
            with _translated():
                runs = self._client.read_flow_runs(
                    flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=some)), limit=READ_AT_ONCE
                )
            reports |= {str(run.id): _report(run) for run in runs}
        return reports

    def count_alive(self, run_ids: Collection[str]) -> int:
        """Return how many of these runs are not over, for a third of what their reports cost."""
        count, wanted = 0, iter(sorted(run_ids))
        while some := [UUID(run_id) for run_id in islice(wanted, READ_AT_ONCE)]:
            with _translated():
                count += self._client.count_flow_runs(
                    flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=some), state=_ALIVE)
                )
        return count

    def cancel(self, run_ids: Collection[str]) -> None:
        """Ask for runs to stop; those that have ended stay as they are."""
        wanted = iter(sorted(run_ids))
        while some := list(islice(wanted, CHANGE_AT_ONCE)):
            message = "Its batch was cancelled."
            self._post(
                "/flow_runs/bulk_set_state",
                {
                    "flow_runs": {"id": {"any_": some}, "state": {"type": {"any_": _STOPPABLE}}},
                    "state": {"type": "CANCELLING", "name": "Cancelling", "message": message},
                    "limit": CHANGE_AT_ONCE,
                },
            )

    def slots(self, pool: str) -> int | None:
        """Return how many runs a work pool works on at once; ``None``: it has no limit."""
        with _translated(pool):
            return self._client.read_work_pool(pool).concurrency_limit

    def _create(self, deployment: str, orders: Sequence[Order]) -> list[dict[str, Any]]:
        path = f"/deployments/{self._id(deployment)}/create_flow_run/bulk"
        try:
            results: list[dict[str, Any]] = self._post(path, list(map(_request, orders)))["results"]
        except OrchestratorUnavailableError:
            self._deployments.clear()  # it may have been registered anew
            raise
        return results

    def _id(self, deployment: str) -> UUID:
        if deployment not in self._deployments:
            with _translated(deployment):
                self._deployments[deployment] = self._client.read_deployment_by_name(deployment).id
        return self._deployments[deployment]

    def _post(self, path: str, body: Any) -> Any:
        with _translated():
            return self._client.request("POST", path, json=body).json()  # type: ignore[arg-type]


@contextmanager
def _translated(what: str = "") -> Iterator[None]:
    try:
        yield
    except httpx.HTTPError as error:
        raise OrchestratorUnavailableError(f"The Prefect server did not answer as it should: {error}") from error
    except ObjectNotFound as error:
        raise OrchestratorUnavailableError(
            f"Prefect knows no {what!r}: run `python -m deployments.bootstrap`.", {"missing": what}
        ) from error


def _request(order: Order) -> dict[str, Any]:
    return {
        "name": order.name,
        "parameters": dict(order.parameters),
        "tags": [ITEM_TAG, *order.tags],
        "labels": {**labels_of(run_traceparent()), **order.labels},  # of the trace of who handed the batch in
        "idempotency_key": order.run_key,
        "work_queue_name": order.queue,
        "state": {"type": "SCHEDULED"},
    }


def _report(run: FlowRun) -> RunReport:
    state = run.state
    if state is None:
        return RunReport("PENDING")
    return RunReport(state.type.value, state.message or "", run.total_run_time.total_seconds())
