"""Runs that a job begins on a work pool, with its owner, its retries and its priority, and that end with it."""

import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Cancelling

from data.domain.errors import OrchestratorUnavailableError
from data.domain.identity import owner_tag
from data.domain.jobs import retries_of, retries_tag
from tasks.stopping import own_priority
from tasks.workspace import job_owner

T = TypeVar("T")

POLL_SECONDS = 1.0
"""How often who waits for a run looks at it."""
_AWAY_SECONDS = 120.0
"""How long Prefect may be away."""


def begin_child(deployment: str, parameters: dict[str, Any], name: str = "") -> FlowRun:
    """Make a run of a deployment; the caller sees to it that it is stopped when this one is.

    Args:
        deployment: Of flow and deployment (``generate-asset/on-demand``).
        parameters: Of the flow, as plain JSON values.
        name: Of the run; that of the job by default.

    Raises:
        OrchestratorUnavailableError: Prefect stayed away for too long.
    """
    owner, retries = job_owner(), retries_of(flow_run.get_tags())
    tags = [*([owner_tag(owner)] if owner else ()), *([] if retries is None else [retries_tag(retries)])]
    child = while_away(
        lambda: run_deployment(
            deployment,
            flow_run_name=name or flow_run.get_name(),
            parameters=parameters,
            tags=tags or None,
            work_queue_name=own_priority() or None,  # so that the child has the same priority
            timeout=0,
        )
    )
    assert isinstance(child, FlowRun)
    return child


def cancel_child(client: SyncPrefectClient, run_id: UUID) -> None:
    """Ask for the child to stop: nobody waits for it any more."""
    try:
        client.set_flow_run_state(run_id, Cancelling(message="The run that waited for this one was stopped."))
    except (httpx.HTTPError, PrefectException) as error:  # the reason why this run stops is what counts
        get_run_logger().warning("A run that this one began could not be stopped: %s", error)


def while_away(ask: Callable[[], T]) -> T:
    """Ask Prefect and return its answer; while nothing listens at its address, ask again.

    A client that was connected before tries again by itself; one that is new gives up at once.

    Raises:
        OrchestratorUnavailableError: It stayed away for too long.
    """
    deadline = time.monotonic() + _AWAY_SECONDS
    while True:
        try:
            return ask()
        except httpx.ConnectError as error:
            if time.monotonic() > deadline:
                raise OrchestratorUnavailableError(f"Prefect was away for {_AWAY_SECONDS:.0f} s.") from error
        time.sleep(POLL_SECONDS)
