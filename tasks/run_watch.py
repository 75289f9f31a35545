"""The watch over a flow run from inside its process: what is wished of it, its time, whether its step still lives."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any
from uuid import UUID, uuid4

from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.context import FlowRunContext
from prefect.exceptions import Abort, ObjectNotFound, Pause
from prefect.logging import get_run_logger
from prefect.states import AwaitingRetry, Cancelled, Failed, Suspended

from data.domain.errors import StepStalledError, TimeLimitError
from data.domain.jobs import PauseMode, pause_key, pause_mode, place_in_queue, priority_of
from tasks.interruption import Interrupter, end_process_tree, kill_descendants, main_thread_cpu_seconds
from tasks.own_run import ANSWER_SECONDS, OwnRun
from tasks.work_clock import WorkClock

_TICK_SECONDS = 0.25
_LOOK_SECONDS = 3.0
_READ_EVERY = 3
"""Every so many looks the whole record is read, priority and all; in between only whether the run is still at work."""
_STOP_SECONDS = 6.0
"""From the interruption to the kill. With the look before it, less than ten seconds from a wish to its fulfilment."""
_UNATTENDED_SECONDS = 12.0
"""A worker that lives has ended a cancelled run by then (``deployments/warm/keeper.py`` kills after seven seconds)."""


class Reason(Enum):
    """Why a run stops."""

    PAUSE = auto()
    CANCEL = auto()
    SUPERSEDED = auto()
    TIME_LIMIT = auto()


class RunStopped(BaseException):
    """The run shall stop now. Not an ``Exception``: no step may take it for a failure of its own and try again."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        """The sentence alone, as Prefect shows it for the step that was interrupted."""
        return self.message


@dataclass(frozen=True)
class RunLimits:
    """How long one attempt of a run may take."""

    work_seconds: float
    """Longest work of one attempt; waiting for others does not count."""
    stall_seconds: float
    """A step in which nothing at all happens for this long is ended."""


class RunWatch:
    """Watches one flow run from inside its process; lives as long as the flow is stoppable.

    Args:
        context: Of the flow run.
        limits: Its time limits.
    """

    def __init__(self, context: FlowRunContext, limits: RunLimits) -> None:
        run = context.flow_run
        assert isinstance(run, FlowRun)
        self.priority = priority_of(run.labels, run.work_queue_name)
        """As it was last seen: somebody may change it while the run works."""
        self.clock = WorkClock()
        self.is_between_tries = False
        """The step that failed waits for its next try, and nothing is lost by a stop."""
        self._steps_at_work = 0
        self._step_changes = 0
        self._run_id = run.id
        # The run is this process's for as long as its state is the one that this process brought about.
        self._own_state: UUID | None = run.state.id if run.state else None
        self._is_deployed = run.deployment_id is not None
        self._suspension = context.flow_run_suspension_request
        self._limits = limits
        self._logger = get_run_logger()
        self._interrupter = Interrupter()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=copy_context().run, args=(self._watch,), daemon=True, name="stopping")

    def refuse_late_start(self, own: OwnRun) -> None:
        """Leave at once where the run was stopped while this process was starting: Prefect has let it begin anyway.

        Raises:
            Abort: The run is cancelled, as it was before.
            Pause: The run is suspended, as it was before.
        """
        left = own.left_state(self._own_state)
        if left is not None and left.type is StateType.CANCELLED:
            own.set_state(Cancelled(message="Cancelled by request, while it was starting."))
            raise Abort("The run was cancelled while it was starting.")
        if left is not None and left.type is StateType.PAUSED:
            key = pause_key(PauseMode.AFTER_STEP, uuid4().hex, is_queued=True)
            own.set_state(Suspended(pause_key=key, message=left.message))
            raise Pause("The run was paused while it was starting.", state=own.state())

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch while the block runs; in the main thread."""
        with self._interrupter.listening():
            self._thread.start()
            try:
                yield
            finally:
                self._ended.set()
        self._thread.join(ANSWER_SECONDS)

    def note_step(self, change: int) -> None:
        """Take note that a step's work begins (1) or ends (-1)."""
        self._steps_at_work += change
        self._step_changes += 1

    def ending(self, stopped: RunStopped) -> BaseException:
        """Return what Prefect's engine is to see of a stop, for it to leave the right state behind."""
        self._logger.warning("Stopped: %s", stopped.message)
        if stopped.reason is Reason.PAUSE:
            return Pause(stopped.message, state=self._suspension.get_state())
        if stopped.reason is Reason.TIME_LIMIT:
            return TimeoutError(stopped.message)
        if stopped.reason is Reason.CANCEL:
            with OwnRun.opened(self._run_id) as own:
                own.set_state(Cancelled(message=stopped.message))
        return Abort(stopped.message)

    def requeue(self) -> bool:
        """Put the run back into the queue if nobody asked it to stop; say whether that was done."""
        if not self._is_deployed:
            return False
        with OwnRun.opened(self._run_id) as own:
            run = own.read()
            if run is None or run.state is None or run.state.id != self._own_state:
                return False
            self._logger.warning("The process was asked to end: the run goes back to the queue.")
            now = datetime.now(UTC)
            place = place_in_queue(now, run.work_queue_name, priority_of(run.labels, run.work_queue_name), now)
            message = "Its worker was stopped; it goes on after its last step."
            return own.set_state(AwaitingRetry(message=message, scheduled_time=place))

    def rest(self) -> None:
        """Tell that the process of a paused run has really stopped."""
        if self._suspension.is_requested():
            with OwnRun.opened(self._run_id) as own:
                own.rest()

    def _watch(self) -> None:
        if self._ended.wait(_LOOK_SECONDS):
            return  # not a request for runs that are shorter than that
        with OwnRun.opened(self._run_id) as own:
            self._rounds(own)

    def _rounds(self, own: OwnRun) -> None:
        life = _SignsOfLife()
        looked_at, looks = 0.0, 0
        was_suspended = False
        cancelled_at: float | None = None
        while True:
            now = time.monotonic()
            is_suspended = self._suspension.is_requested()  # Prefect's engine may hear of it sooner
            if now - looked_at >= _LOOK_SECONDS or (is_suspended and not was_suspended):
                looked_at, was_suspended = now, is_suspended
                is_whole = is_suspended or cancelled_at is not None or looks % _READ_EVERY == 0
                is_cancelling = self._look(own, is_whole) is StateType.CANCELLING
                looks += 1
                cancelled_at = (cancelled_at or now) if is_cancelling else None
            if cancelled_at and now - cancelled_at > _UNATTENDED_SECONDS:
                self._stop(own, RunStopped(Reason.CANCEL, "Cancelled by request; no worker attended to it."))
            if self.clock.worked_seconds() > self._limits.work_seconds:
                self._stop(own, RunStopped(Reason.TIME_LIMIT, str(self._time_limit())))
            if self._steps_at_work and life.silent_seconds(self._step_changes) > self._limits.stall_seconds:
                self._end_stalled_step()
            if self._ended.wait(_TICK_SECONDS):
                return

    def _look(self, own: OwnRun, is_whole: bool) -> StateType | None:
        """See what is wished of the run, and stop it where that is the wish; return the type of its state.

        Args:
            own: The run's record.
            is_whole: Whether to read it, whatever it seems.
        """
        if not is_whole and own.seems_unchanged():
            return None
        try:
            run = own.read()
        except ObjectNotFound:
            self._stop(own, RunStopped(Reason.SUPERSEDED, "The run was deleted."))
            return None
        if run is None:
            return None
        self.priority = priority_of(run.labels, run.work_queue_name)
        state = run.state
        if state is None or state.id == self._own_state:
            return None
        if state.type is StateType.PAUSED:
            self._pause(own, state)
        elif state.type is not StateType.CANCELLING:
            self._stop(own, RunStopped(Reason.SUPERSEDED, f"The run was brought to {state.name} by somebody else."))
        return state.type

    def _pause(self, own: OwnRun, state: State[Any]) -> None:
        # With this Prefect's engine leaves the flow before the next step; its own watch depends on events.
        self._suspension.mark_requested(state)
        if pause_mode(state.state_details.pause_key) is PauseMode.AT_ONCE:
            self._stop(own, RunStopped(Reason.PAUSE, "Paused at once by request; the step is done again when resumed."))
        elif self.is_between_tries:
            self._stop(own, RunStopped(Reason.PAUSE, "Paused by request, while a step waited for its next try."))

    def _stop(self, own: OwnRun, stopped: RunStopped) -> None:
        """Have the main thread leave the flow; end the process where it does not in time."""
        self._interrupter.interrupt(stopped)
        if self._ended.wait(_STOP_SECONDS):
            return
        self._logger.error("The step did not stop within %g seconds and is killed.", _STOP_SECONDS)
        kill_descendants()
        # The last word, in place of the engine's.
        if stopped.reason is Reason.PAUSE:
            own.rest()
        elif stopped.reason is Reason.CANCEL:
            own.set_state(Cancelled(message=stopped.message))
        elif stopped.reason is Reason.TIME_LIMIT:
            own.set_state(Failed(name="TimedOut", message=stopped.message))
        end_process_tree(exit_code=0)

    def _end_stalled_step(self) -> None:
        """Have the step fail in a way that is tried again; a process that does not come out of it crashes."""
        seconds = self._limits.stall_seconds
        message = f"The step did nothing for {seconds:g} seconds and was ended."
        changes = self._step_changes
        self._interrupter.interrupt(StepStalledError(message, {"stall_seconds": seconds}))
        deadline = time.monotonic() + _STOP_SECONDS
        while self._step_changes == changes and not self._ended.wait(_TICK_SECONDS):
            if time.monotonic() > deadline:
                self._logger.error("%s It could not be interrupted: its process is killed.", message)
                end_process_tree(exit_code=1)

    def _time_limit(self) -> TimeLimitError:
        seconds = self._limits.work_seconds
        return TimeLimitError(f"The job reached its time limit of {seconds:g} seconds.", {"limit_seconds": seconds})


class _SignsOfLife:
    """How long nothing has happened: the main thread used no processor time, and no step began or ended.

    Who waits for a tool looks at it every now and then, which is a sign of life: tools have a watchdog of their own.
    """

    def __init__(self) -> None:
        self._mark = (-1.0, -1)
        self._moved_at = time.monotonic()

    def silent_seconds(self, step_changes: int) -> float:
        now = time.monotonic()
        mark = (main_thread_cpu_seconds(), step_changes)
        if mark != self._mark:
            self._mark, self._moved_at = mark, now
        return now - self._moved_at
