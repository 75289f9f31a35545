"""The time between two tries of a step: the job says until when it waits, and the wait is no work.

Prefect's engine does the waiting, in the thread that works. A thread beside it looks at the state of the task run,
which holds the moment of the next try, and tells the others: the step's progress (``transcode (retry_wait until …)``),
the job's clock, which stands still meanwhile, and the job's run, which counts how often its steps were tried again.
"""

import threading
import time
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
from prefect.client.schemas.objects import TaskRun
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from tasks.own_run import OwnRun
from tasks.progress import progress_of
from tasks.stopping import between_tries

_LOOK_SECONDS = 0.1
_LATE = timedelta(seconds=5)
"""An engine that has not gone on so long after the moment it named is not waited for any more."""


def await_next_try(task_run: TaskRun) -> None:
    """Tell until when a step waits that is about to be tried again. Returns at once.

    A step in a thread of its own is left alone: its job works on meanwhile.

    Args:
        task_run: The step's, as Prefect's engine has it and changes it.
    """
    if threading.current_thread() is threading.main_thread():
        work = (_tell, task_run, task_run.run_count)
        threading.Thread(target=copy_context().run, args=work, daemon=True, name="retry wait").start()


def _tell(task_run: TaskRun, tries: int) -> None:
    until = _next_try_at(task_run, tries)
    if until is not None:
        with between_tries():
            step = progress_of(task_run.name)
            if step is not None:
                step.wait_for_retry(until)
            while _is_awaited(task_run, tries) and datetime.now(UTC) < until + _LATE:
                time.sleep(_LOOK_SECONDS)
        if step is not None:
            step.go_on()
    _count()


def _next_try_at(task_run: TaskRun, tries: int) -> datetime | None:
    """Return when the step is tried again, once its engine says so; ``None``: it is under way already, or over."""
    deadline = time.monotonic() + _LATE.total_seconds()
    while time.monotonic() < deadline and task_run.run_count == tries:
        state = task_run.state
        if state is not None and state.is_final():
            return None
        if state is not None and state.is_scheduled():
            return state.state_details.scheduled_time
        time.sleep(_LOOK_SECONDS)
    return None


def _is_awaited(task_run: TaskRun, tries: int) -> bool:
    state = task_run.state
    return task_run.run_count == tries and state is not None and state.is_scheduled()


def _count() -> None:
    try:
        job_id = flow_run.get_root_flow_run_id()  # of a child the job that handed it work
        if job_id:
            with OwnRun.opened(UUID(job_id)) as job:
                job.count_retry()
    except (httpx.HTTPError, PrefectException) as error:
        get_run_logger().debug("That a step is tried again was not counted: %s", error)
