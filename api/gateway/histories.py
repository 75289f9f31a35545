"""Histories of runs as they were just read, for the several readers of one process that ask for the same ones."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State

from api.gateway.runs import read_states

_MOST_KEPT = 512


class Histories:
    """Reads histories, and keeps the latest of them: what a run went through before a state never changes.

    Args:
        client: Prefect's.
    """

    def __init__(self, client: PrefectClient) -> None:
        self._client = client
        self._kept: dict[UUID, Sequence[State[Any]]] = {}

    async def read(self, run: FlowRun) -> Sequence[State[Any]]:
        """Return the states that a run went through, oldest first; at least to the one that it is known to be in.

        Raises:
            NotFoundError: There is no such run any more.
            OrchestratorUnavailableError: Prefect is away.
        """
        kept = self._kept.get(run.id, ())
        if any(state.id == run.state_id for state in kept):
            return kept
        states = await read_states(self._client, run.id)
        self._kept.pop(run.id, None)  # the last one read is the last to be forgotten
        self._kept[run.id] = states
        while len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return states
