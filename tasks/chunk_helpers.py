"""Runs on the ``cpu`` pool that make chunks for a job, on whatever machine has a worker that is free.

They only ever help. Whoever asked for them goes on by itself, from the front while they take from the back; a run that
has not begun when there is nothing else to do is taken back; one that fails leaves its chunk to the job. So a pool
whose slots are all taken by such jobs cannot lock up, and a helper that dies costs its own work alone.
"""

import math
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.logging import get_run_logger
from prefect.states import Cancelled

from data.domain.errors import OrchestratorUnavailableError
from tasks.child_runs import begin_child, cancel_child

CHUNK_DEPLOYMENT = "transcode-chunk/on-demand"
_LOOK_SECONDS = 3.0
_IDLE = (StateType.SCHEDULED, StateType.PENDING, StateType.PAUSED)


class ChunkHelpers:
    """The helpers of one encode; lives as long as that. For one thread, that of the task.

    Args:
        most: How many may be under way at once.
        parameters: Gives those of a helper's flow for the piece of a name, as plain JSON values.
    """

    def __init__(self, most: int, parameters: Callable[[str], dict[str, Any]]) -> None:
        self._most = most
        self._parameters = parameters
        self._runs: dict[str, UUID] = {}
        self._looked_at = self._all_began_at = -math.inf

    @property
    def has_room(self) -> bool:
        """Whether one more may be asked for."""
        return len(self._runs) < self._most

    @property
    def is_busy(self) -> bool:
        """Whether any is under way."""
        return bool(self._runs)

    def ask(self, name: str) -> bool:
        """Have a piece made by a run of its own; say whether there is to be one. If not, nobody is asked again."""
        try:
            child = begin_child(CHUNK_DEPLOYMENT, self._parameters(name), f"chunk {name}")
        except (httpx.HTTPError, PrefectException, OrchestratorUnavailableError) as error:
            get_run_logger().warning("Nobody can be asked to help: %s", error)
            self._most = 0
            return False
        self._runs[name] = child.id
        get_run_logger().info("Flow run %s is to make %s.", child.id, name)
        return True

    def finished(self) -> list[str]:
        """Return the pieces whose run is over, however it ended; looked at every few seconds."""
        if not self._runs or time.monotonic() - self._looked_at < _LOOK_SECONDS:
            return []
        self._looked_at = time.monotonic()
        with get_client(sync_client=True) as client:
            states = {name: _state(client, run_id) for name, run_id in self._runs.items()}
        over = [name for name, state in states.items() if state is not None and state.is_final()]
        for name in over:
            del self._runs[name]
        return over

    def take_back(self) -> str | None:
        """Return a piece whose run does not begin, or rests, after cancelling that; ``None``: all of them work.

        Where they do, that is believed for a few seconds.
        """
        if not self._runs or time.monotonic() - self._all_began_at < _LOOK_SECONDS:
            return None
        with get_client(sync_client=True) as client:
            for name, run_id in self._runs.items():
                state = _state(client, run_id)
                if state is not None and state.type in _IDLE:
                    cancel_child(client, run_id)
                    del self._runs[name]
                    return name
        self._all_began_at = time.monotonic()
        return None

    def expect_less(self) -> None:
        """Ask for one fewer at a time from now on: one has failed."""
        self._most -= 1

    def stop(self) -> None:
        """Have all stopped that are under way: nobody waits for them any more."""
        if not self._runs:
            return
        with get_client(sync_client=True) as client:
            for run_id in self._runs.values():
                cancel_child(client, run_id)
        self._runs.clear()


def _state(client: SyncPrefectClient, run_id: UUID) -> State[Any] | None:
    """Return the state of a run; ``None`` while Prefect is away, which is no reason to give up one's own work."""
    try:
        return client.read_flow_run(run_id).state
    except ObjectNotFound:  # somebody has deleted it: it makes nothing any more
        return Cancelled()
    except httpx.HTTPError:
        return None
