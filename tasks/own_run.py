"""A run's own record at Prefect, as its process reads and writes it while the run works."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.context import SettingsContext, get_settings_context
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.logging import get_run_logger
from prefect.states import Suspended

from data.domain.jobs import RESTS_LABEL, STEP_RETRIES_LABEL, retries_counted

ANSWER_SECONDS = 3.0
_LAST_TRIES = 3
"""How often a process that ends asks or tells its last: a server that is busy for a moment shall not lose that."""


class OwnRun:
    """The record of one flow run, over a client of its own; not safe for several threads at once.

    Prefect may be away for a while. Nothing here waits for it: what could not be asked or told is a line in the log.
    """

    def __init__(self, run_id: UUID, client: SyncPrefectClient) -> None:
        self._run_id = run_id
        self._client = client
        self._logger = get_run_logger()

    @classmethod
    @contextmanager
    def opened(cls, run_id: UUID) -> Iterator["OwnRun"]:
        """Open the record until the block is left."""
        with _asking_once(), get_client(sync_client=True, httpx_settings={"timeout": ANSWER_SECONDS}) as client:
            yield cls(run_id, client)

    def read(self) -> FlowRun | None:
        """Return the run; None when Prefect does not tell.

        Raises:
            ObjectNotFound: The run was deleted.
        """
        try:
            return self._client.read_flow_run(self._run_id)
        except ObjectNotFound:
            raise
        except (httpx.HTTPError, PrefectException) as error:
            self._logger.debug("The run could not be read: %s", error)
            return None

    def seems_unchanged(self) -> bool:
        """Say, for half of what reading it costs, whether the run is at work, or Prefect does not tell."""
        at_work = FlowRunFilter(
            id=FlowRunFilterId(any_=[self._run_id]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING])),
        )
        try:
            return self._client.count_flow_runs(flow_run_filter=at_work) == 1
        except (httpx.HTTPError, PrefectException) as error:
            self._logger.debug("The run could not be looked at: %s", error)
            return True

    def state(self) -> State[Any] | None:
        """Return the run's state; None when Prefect does not tell.

        Raises:
            ObjectNotFound: The run was deleted.
        """
        run = self.read()
        return run.state if run is not None else None

    def is_cancelled(self) -> bool:
        """Say whether somebody has cancelled, or deleted, the run; for its end, since it asks more than once."""
        for _ in range(_LAST_TRIES):
            try:
                state = self.state()
            except ObjectNotFound:
                return True
            if state is not None:
                return state.type in (StateType.CANCELLING, StateType.CANCELLED)
        self._logger.warning("Prefect does not say whether the run was cancelled.")
        return False

    def left_state(self, own_state: UUID | None) -> State[Any] | None:
        """Return the state that the run was in before the given one; None when there is none, or Prefect is away."""
        try:
            states = sorted(self._client.read_flow_run_states(self._run_id), key=lambda state: state.timestamp)
        except (httpx.HTTPError, PrefectException) as error:
            self._logger.debug("The run's states could not be read: %s", error)
            return None
        ids = [state.id for state in states]
        position = ids.index(own_state) if own_state in ids else 0
        return states[position - 1] if position else None

    def set_state(self, state: State[Any], *, force: bool = False) -> bool:
        """Put the run into a state, by Prefect's rules unless forced; say whether Prefect took it."""
        try:
            outcome = self._client.set_flow_run_state(self._run_id, state, force=force)
        except (httpx.HTTPError, PrefectException) as error:
            self._logger.warning("The run's state could not be set to %s: %s", state.name, error)
            return False
        return outcome.status is SetStateStatus.ACCEPT

    def count_retry(self) -> None:
        """Count, where the API reads it, that a step of the run is tried again."""
        try:
            known = retries_counted(self._client.read_flow_run(self._run_id).labels)
            self._client.update_flow_run_labels(self._run_id, {STEP_RETRIES_LABEL: known + 1})
        except (httpx.HTTPError, PrefectException) as error:
            self._logger.debug("That a step is tried again was not counted: %s", error)

    def rest(self) -> None:
        """Say that a paused run's process has stopped.

        A run that somebody put into ``Paused`` becomes ``Suspended``: resuming the former does not start a process.
        """
        for _ in range(_LAST_TRIES):
            try:
                self._note_rest()
            except (httpx.HTTPError, PrefectException) as error:
                self._logger.debug("That the run has stopped was not told: %s", error)
            else:
                return

    def _note_rest(self) -> None:
        state = self._client.read_flow_run(self._run_id).state
        if state is not None and state.type is StateType.PAUSED and not state.state_details.pause_reschedule:
            self.set_state(Suspended(message=state.message), force=True)
            state = self._client.read_flow_run(self._run_id).state
        if state is not None and state.type is StateType.PAUSED:
            self._client.update_flow_run_labels(self._run_id, {RESTS_LABEL: str(state.id)})


@contextmanager
def _asking_once() -> Iterator[None]:
    """Have clients not try again: by themselves they do for a minute, in which nobody would look at limits.

    Prefect's ``temporary_settings`` would read and check all its settings anew for that, which takes 0.1 s.
    """
    context = get_settings_context()
    client = context.settings.client.model_copy(update={"max_retries": 0})
    settings = context.settings.model_copy(update={"client": client})
    with SettingsContext(profile=context.profile, settings=settings):
        yield
