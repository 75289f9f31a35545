"""Stop means stop: how a run learns that it shall pause, end or not go on, and how it does so in time.

Prefect writes a wish to stop into the run's state; who works on a step does not look there. While a flow is
:func:`stoppable`, a thread does: it reads the run's own state every few seconds, keeps the job's time limit, and sees
a step that hangs. To stop, it raises :class:`RunStopped` in the main thread, so that encoders are ended, scratch is
removed and half-written versions are withdrawn on the way out; what does not come out in time is killed, tree and all.

=========================  ============================================================================================
state of the run           what happens
=========================  ============================================================================================
``Suspended`` (a pause)    Prefect ends the process after the step; "at once" the step is ended, and redone when resumed
``Paused`` (by hand)       the same, and it becomes ``Suspended``: nobody waits in a process that holds a slot
``Cancelling``             the worker ends the process; where there is no worker any more, the run ends itself
another's                  ended, deleted, or begun again by another process: this one stops
=========================  ============================================================================================

A process that is asked to end (TERM) without any such wish belongs to a worker or a machine that is being stopped: the
run goes back to the queue, and goes on after its last finished step.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import SyncPrefectClient
from prefect.context import FlowRunContext
from prefect.exceptions import Abort, TerminationSignal

from data.domain.jobs import priority_of
from data.settings import get_settings
from tasks.own_run import OwnRun
from tasks.run_watch import RunLimits, RunStopped, RunWatch

__all__ = ["RunStopped", "at_work", "between_tries", "own_priority", "stoppable", "waiting", "working"]


@contextmanager
def stoppable(*, gives_way: bool = True) -> Iterator[None]:
    """Let the flow run that this code runs in be stopped from outside, until the block is left.

    Outside a flow run, inside another such block, and beside the main thread it does nothing.

    Args:
        gives_way: Whether what serves people on the same machine (API, Prefect, database) goes first from now on: for
            media work, which keeps all cores busy for hours. A process cannot take that back.
    """
    global _watch
    context = FlowRunContext.get()
    is_main = threading.current_thread() is threading.main_thread()
    if context is None or context.flow_run is None or _watch is not None or not is_main:
        yield
        return
    orchestration = get_settings().orchestration
    watch = RunWatch(context, RunLimits(orchestration.job_limit_seconds, orchestration.stall_seconds))
    assert isinstance(context.client, SyncPrefectClient)
    if gives_way:
        # Of this thread alone and of what it starts: the one that watches stays quick.
        os.setpriority(os.PRIO_PROCESS, 0, max(orchestration.niceness, os.getpriority(os.PRIO_PROCESS, 0)))
    watch.refuse_late_start(OwnRun(context.flow_run.id, context.client))
    _watch = watch
    try:
        with watch.watching():
            yield
    except RunStopped as stopped:
        raise watch.ending(stopped) from stopped
    except TerminationSignal as signalled:
        if watch.requeue():
            raise Abort("The process was asked to end; the run waits in the queue again.") from signalled
        raise
    finally:
        _watch = None
        watch.rest()


def own_priority() -> str:
    """Return the priority of the run that this process carries out, as it was last seen; empty outside a run."""
    if _watch is not None:
        return _watch.priority
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return priority_of(run.labels, run.work_queue_name) if run else ""


@contextmanager
def waiting() -> Iterator[None]:
    """Stop the job's clock while the block runs: it waits for others, who have limits of their own.

    Unless another thread of the job is :func:`working`.
    """
    watch = _watch
    if watch is None:
        yield
        return
    with watch.clock.stopped():
        yield


@contextmanager
def working() -> Iterator[None]:
    """Let the job's clock run while the block does, though other threads of the job may be :func:`waiting`."""
    watch = _watch
    if watch is None:
        yield
        return
    with watch.clock.going():
        yield


@contextmanager
def between_tries() -> Iterator[None]:
    """Stop the job's clock while the block runs, in which a step waits for its next try; a pause need not await that.

    For the thread that looks at the wait, not for the one that waits.
    """
    watch = _watch
    if watch is None:
        yield
        return
    with watch.clock.stopped():
        watch.is_between_tries = True
        try:
            yield
        finally:
            watch.is_between_tries = False


@contextmanager
def at_work() -> Iterator[None]:
    """Have the block ended, by a :class:`StepStalledError`, when nothing at all happens in it for too long."""
    watch = _watch
    if watch is None:
        yield
        return
    watch.note_step(1)
    try:
        yield
    finally:
        watch.note_step(-1)


_watch: RunWatch | None = None
"""Of the flow that this process runs."""
