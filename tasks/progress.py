"""Progress of a step as a Prefect progress artifact: a bar in the Prefect UI, a number in the API."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from datetime import datetime
from uuid import UUID

import httpx
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from data.domain.jobs import ALL_STEPS, ITEM_TAG
from data.domain.steps import RETRY_WAIT, WAITING_FOR_SLOT, StepStatus
from tasks.packed import packed_job

_FIRST_REPORT_SECONDS = 1.0
"""A step that is over by then has one thing to tell, not two."""
_REPORT_SECONDS = 1.0
_ITEM_REPORT_SECONDS = 5.0
"""Of an item of a batch, whose bar few look at: each report costs a hundredth of a second of a core."""


class StepProgress:
    """The share of a step that is done, and what it waits for. Lives as long as the step; a thread tells Prefect.

    Telling must never slow or fail the work: the server may be away for a while, so only the newest value is sent, at
    most once a second, and a failure to send it is a debug line in the log.
    """

    def __init__(self, step: str, every_seconds: float = _REPORT_SECONDS) -> None:
        self._every_seconds = every_seconds
        self._status = StepStatus(step=step)
        self._share = 0.0
        self._ended = threading.Event()
        self._logger = get_run_logger()
        self._thread: threading.Thread | None = None
        self._artifact: UUID | None = None
        self._sent: tuple[float, str] | None = None

    @property
    def step(self) -> str:
        """Its name."""
        return self._status.step

    def open(self) -> None:
        """Begin to tell Prefect; without it nobody is told."""
        self._thread = threading.Thread(target=copy_context().run, args=(self._report,), daemon=True, name="progress")
        self._thread.start()

    def update(self, share: float) -> None:
        """Take note that a share (0–1) of the step is done; never goes back."""
        self._share = max(self._share, min(1.0, share))

    def wait_for_slot(self, position: int) -> None:
        """Take note that the step waits for an encode slot, at a position (1: the next one) in the queue."""
        self._status = self._status.model_copy(update={"reason": WAITING_FOR_SLOT, "position": position})

    def wait_for_retry(self, until: datetime) -> None:
        """Take note that the step has failed and is tried again, at a moment; a step that is over tells so itself."""
        self._become(StepStatus(step=self._status.step, reason=RETRY_WAIT, until=until))

    def go_on(self) -> None:
        """Take note that the step waits no longer."""
        self._become(StepStatus(step=self._status.step))

    def close(self) -> None:
        """Send the last value and end."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=3)

    def _become(self, status: StepStatus) -> None:
        self._status = status
        if self._ended.is_set() and self._thread is not None:
            self._tell()

    def _report(self) -> None:
        self._ended.wait(_FIRST_REPORT_SECONDS)
        while True:
            ended = self._ended.is_set()
            self._tell()
            if ended:
                return
            self._ended.wait(self._every_seconds)

    def _tell(self) -> None:
        percent, line = now = (self._share * 100, self._status.line())
        if now == self._sent:
            return
        try:
            if self._artifact is None:
                self._artifact = _created(create_progress_artifact(percent, description=line))
            else:
                update_progress_artifact(self._artifact, percent, description=line)
            self._sent = now
        except (httpx.HTTPError, PrefectException) as error:
            self._logger.debug("Progress of %s was not reported: %s", line, error)


def _created(artifact: object) -> UUID:
    assert isinstance(artifact, UUID), artifact
    return artifact


_current: ContextVar[StepProgress | None] = ContextVar("step_progress", default=None)

_latest: StepProgress | None = None
"""The step that this process began last, over or not."""

_part: ContextVar[tuple[float, float]] = ContextVar("part_of_step", default=(0.0, 1.0))


def progress_of(step: str) -> StepProgress | None:
    """Return the progress of a step that has failed, be it over.

    One that failed, or hands its work over, before it told of itself tells of itself now. What is no step of a job is
    told by the one that was begun last; ``None`` where there is none.
    """
    if step not in ALL_STEPS or (_latest is not None and _latest.step == step):
        return _latest
    progress = StepProgress(step)
    progress.open()
    progress.close()
    return progress


def report_progress(share: float) -> None:
    """Tell the step that this code runs in that a share (0–1) of it is done; outside a step, nobody."""
    progress = _current.get()
    if progress is not None:
        begin, end = _part.get()
        progress.update(begin + (end - begin) * share)


@contextmanager
def part_of_step(begin: float, end: float) -> Iterator[None]:
    """Let what is reported while the block runs be a part of the step: from one share of it to another."""
    token = _part.set((begin, end))
    try:
        yield
    finally:
        _part.reset(token)


@contextmanager
def step_progress(step: str) -> Iterator[StepProgress]:
    """Report the progress of a step while the block runs; leaving it in peace means that all of it is done.

    Of an item of a pack nothing is reported: it is short, and a bar for each would cost more than it tells.
    """
    global _latest
    is_item = ITEM_TAG in flow_run.get_tags()
    progress = StepProgress(step, _ITEM_REPORT_SECONDS if is_item else _REPORT_SECONDS)
    if packed_job() is None:
        progress.open()
        _latest = progress
    token = _current.set(progress)
    try:
        yield progress
        progress.update(1.0)
    finally:
        _current.reset(token)
        progress.close()
