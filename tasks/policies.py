"""One retry rule for every task, and what every task shares."""

from pathlib import Path
from typing import Any, TypedDict

from prefect import Task
from prefect.cache_policies import INPUTS, RUN_ID, CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import flow_run
from prefect.settings import get_current_settings
from prefect.settings.models.results import ResultsSettings

from data.domain.errors import is_retryable
from data.domain.jobs import MAX_RETRIES, retries_of
from data.settings import MediaSettings, RetrySettings, Settings, get_settings
from tasks.media.cores import usable_cores
from tasks.media.process import Limits
from tasks.media.slots import EncodeSlots
from tasks.retry_wait import await_next_try

MOST_ENCODER_THREADS = 8
"""Of one encode, where the setting leaves it open: more hardly make it faster, and cost memory and quality."""


_TASK = CachePolicy.from_cache_key_fn(lambda context, _: context.task.task_key)
"""Two tasks of a run that take the same inputs do not have the same result."""


class TaskPolicy(TypedDict):
    """The options of a task that are ours to set, not the stage's."""

    retries: int
    retry_delay_seconds: list[float]
    retry_jitter_factor: float
    retry_condition_fn: Any
    persist_result: bool
    result_serializer: str
    cache_policy: CachePolicy


class FlowPolicy(TypedDict):
    """The options of a flow that are ours to set, not the flow's."""

    persist_result: bool
    result_serializer: str
    result_storage: Path | None


def retry_after(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Say whether a failed task is tried again: the error itself knows, and the job or the setting how often.

    If so, the job says from now on until when it waits.
    """
    error = state.data
    asked = retries_of(flow_run.get_tags())
    most = get_settings().retry.attempts if asked is None else asked
    if not isinstance(error, BaseException) or not is_retryable(error) or task_run.run_count > most:
        return False
    await_next_try(task_run)
    return True


def retry_delays(retry: RetrySettings) -> list[float]:
    """Return the delay in seconds before each retry that a job may ask for: doubled each time, up to the longest."""
    return [min(retry.first_delay_seconds * 2**n, retry.max_delay_seconds) for n in range(MAX_RETRIES)]


def item_retry_delays(retry: RetrySettings) -> list[float]:
    """Return the delay in seconds before each retry of an item of a pack: as many as the setting says."""
    return retry_delays(retry)[: retry.attempts]


def task_policy(retry: RetrySettings) -> TaskPolicy:
    """Return the options that every task gets.

    The result of a finished task is kept by run and inputs, so that a retried or resumed run goes on after its last
    finished step; work shared between runs is found by content in the object store instead.
    """
    return TaskPolicy(
        retries=MAX_RETRIES,  # the most that a job may ask for: `retry_after` says when it is enough
        retry_delay_seconds=retry_delays(retry),
        retry_jitter_factor=0.5,
        retry_condition_fn=retry_after,
        persist_result=True,
        result_serializer="json",
        cache_policy=INPUTS + RUN_ID + _TASK,
    )


def flow_policy(results: ResultsSettings) -> FlowPolicy:
    """Return the options of a flow whose result, and whose tasks' results, are kept.

    Where Prefect is set up to keep results in a folder, the flow says so itself: a run asks the server otherwise,
    several times, whether it knows of a better place.
    """
    folder = None if results.default_storage_block else results.local_storage_path
    return FlowPolicy(persist_result=True, result_serializer="json", result_storage=folder)


def tool_limits(media: MediaSettings) -> Limits:
    """Return the time limits of one tool run, from the settings."""
    return Limits(
        soft_seconds=media.soft_limit_seconds,
        hard_seconds=media.hard_limit_seconds,
        stall_seconds=media.stall_seconds,
    )


def encode_slots(settings: Settings) -> EncodeSlots:
    """Return the encode slots of this machine, from the settings."""
    return EncodeSlots(
        directory=settings.slots_path,
        units=settings.media.encode_slots or usable_cores(),
        threads_per_encode=settings.media.encoder_threads or MOST_ENCODER_THREADS,
    )


TASK_POLICY: TaskPolicy = task_policy(get_settings().retry)
FLOW_POLICY: FlowPolicy = flow_policy(get_current_settings().results)
