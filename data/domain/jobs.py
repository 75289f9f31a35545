"""Jobs: how a Prefect flow run looks to the users of the API (design: §5)."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from data.domain.model import DomainModel

JOB_TAG = "dailies-job"
"""Prefect tag of every flow run that is a job; ``prefect.yaml`` puts it on the deployment."""
BATCH_TAG = "dailies-batch"
"""Prefect tag of the run that feeds a batch."""
_BATCH_PREFIX = "batch:"
_WEBHOOK_PREFIX = "webhook:"
_RETRIES_PREFIX = "retries:"
ITEM_TAG = "dailies-item"
"""Prefect tag of a run that its batch's feed made, and tries again."""


class JobDeployment(StrEnum):
    """What a job is a run of: flow and deployment."""

    PROCESS = "process-asset/on-demand"
    ANALYZE = "analyze-asset/on-demand"


WORK_POOLS = ("cpu", "gpu", "control")
"""The work pools that our deployments run on."""

MAX_RETRIES = 10
"""Of one step, after its first try."""
MAX_TITLE_CHARACTERS = 200
MAX_PROMPT_CHARACTERS = 32_768
MAX_SCRIPT_CHARACTERS = 262_144
MAX_METADATA_BYTES = 16 * 1024
"""Largest ``metadata`` of a job, as JSON."""

STEP_WEIGHTS = {"ingest": 0.05, "transcode": 0.6, "generate": 0.25, "publish": 0.1}
"""Share of a job's progress by step, in the order of the pipeline; sums to 1."""
MAKE_SHARE = 0.5
"""Share of a job's progress that making a video of words takes, in place of ingest."""
PREPARE_SHARE = 0.5
"""Share of a job's progress that the prepare step takes, where there is one, of what follows the first step."""
ANALYSE_SHARE = 0.95
"""Share of a job's progress that analysis takes, where it is all there is to do beside ingest."""
ALL_STEPS = frozenset({*STEP_WEIGHTS, "make", "prepare", "analyse"})


def step_weights(begun: Collection[str] = ()) -> dict[str, float]:
    """Return the share of a job's progress by step, in the order of the pipeline; sums to 1.

    Args:
        begun: Steps that are known to belong to the job; most jobs have neither ``make`` nor ``prepare``.
    """
    if "analyse" in begun:
        return {"ingest": 1 - ANALYSE_SHARE, "analyse": ANALYSE_SHARE}
    first = {"make": MAKE_SHARE} if "make" in begun else {"ingest": STEP_WEIGHTS["ingest"]}
    left = 1 - sum(first.values())
    if "prepare" in begun:
        first["prepare"] = left * PREPARE_SHARE
        left -= first["prepare"]
    rest = {step: weight for step, weight in STEP_WEIGHTS.items() if step != "ingest"}
    return {**first, **{step: weight * left / sum(rest.values()) for step, weight in rest.items()}}


QUEUES: Mapping[str, int] = {"high": 1, "default": 2, "low": 3}
"""The work queues of every pool with their priority: 1 comes first, for runs as for encode slots."""
PRIORITY_LABEL = "dailies.priority"
"""Label of a flow run: the priority that somebody gave it after it was handed in, in place of its queue's."""
RAISE_STEP = timedelta(days=7)
"""So much earlier than it was due a raised run is scheduled, for each priority that it rose: longer than any waits."""


def queue_rank(name: str | None) -> int:
    """Return where a queue, or a priority, stands among the others: 1 comes first; one that is not ours is ordinary."""
    return QUEUES.get(name or "", QUEUES["default"])


def priority_of(labels: Mapping[str, object], queue: str | None) -> str:
    """Return the priority of a run: the one that it was given later, else that of its queue; empty without a queue."""
    return str(labels.get(PRIORITY_LABEL) or queue or "")


def place_in_queue(due: datetime, queue: str | None, priority: str, now: datetime) -> datetime:
    """Return for when to schedule a run, so that its queue hands it out as its priority says.

    A run stays in the queue that it was made in, and a queue hands out by the scheduled time. So a raised run goes
    before all that wait there as they came, by priority and then as they were due; a lowered one goes to the end.

    Args:
        due: When it was due first.
        queue: The queue that it is in.
        priority: The priority that it has.
        now: The time, aware.
    """
    rise = queue_rank(queue) - queue_rank(priority)
    return due - rise * RAISE_STEP if rise >= 0 else max(due, now)


def batch_tag(batch_id: str) -> str:
    """Return the tag by which the runs of a batch are found."""
    return _BATCH_PREFIX + batch_id


def batch_of(tags: Iterable[str]) -> str | None:
    """Return the id of the batch that a run's tags name."""
    return next((tag.removeprefix(_BATCH_PREFIX) for tag in tags if tag.startswith(_BATCH_PREFIX)), None)


def webhook_tag(endpoint_id: str) -> str:
    """Return the tag of a run by which a webhook endpoint is told of it."""
    return _WEBHOOK_PREFIX + endpoint_id


def webhooks_of(tags: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of the webhook endpoints that a run's tags name."""
    return tuple(sorted(tag.removeprefix(_WEBHOOK_PREFIX) for tag in tags if tag.startswith(_WEBHOOK_PREFIX)))


def retries_tag(most: int) -> str:
    """Return the tag of a run whose steps are tried again at most so often."""
    return f"{_RETRIES_PREFIX}{most}"


def retries_of(tags: Iterable[str]) -> int | None:
    """Return how often the steps of a run are tried again at most; ``None`` where its tags leave it to the setting."""
    found = next((tag.removeprefix(_RETRIES_PREFIX) for tag in tags if tag.startswith(_RETRIES_PREFIX)), "")
    return min(int(found), MAX_RETRIES) if found.isdecimal() else None


def retries_counted(labels: Mapping[str, object]) -> int:
    """Return how often steps of a run were tried again, by the run's labels."""
    found = labels.get(STEP_RETRIES_LABEL)
    return found if isinstance(found, int) else 0


def one_line(text: str) -> str:
    """Return a title as one clean line: it becomes a run's name, and labels that are not files' names."""
    return (text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)).strip()


class JobState(StrEnum):
    """The states of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


TERMINAL_STATES = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})


class JobMove(StrEnum):
    """What a person can ask of a job."""

    CANCEL = "cancel"
    RETRY = "retry"
    PAUSE = "pause"
    RESUME = "resume"
    DELETE = "delete"


ALLOWED_MOVES: dict[JobState, frozenset[JobMove]] = {
    JobState.QUEUED: frozenset({JobMove.CANCEL, JobMove.PAUSE}),
    JobState.RUNNING: frozenset({JobMove.CANCEL, JobMove.PAUSE}),
    JobState.PAUSING: frozenset({JobMove.CANCEL}),
    JobState.PAUSED: frozenset({JobMove.CANCEL, JobMove.RESUME}),
    JobState.CANCELLING: frozenset(),
    JobState.CANCELLED: frozenset({JobMove.RETRY, JobMove.DELETE}),
    JobState.SUCCEEDED: frozenset({JobMove.DELETE}),
    JobState.FAILED: frozenset({JobMove.RETRY, JobMove.DELETE}),
}


class PauseMode(StrEnum):
    """When a pause takes hold of a job that runs."""

    AFTER_STEP = "after_step"
    AT_ONCE = "at_once"


REVIEW_STATE = "Review"
"""Prefect's name of the completed state of a job whose version waits for a person before it becomes public."""
REVIEW_REASON = "review"
"""Reason of such a job, and of a batch's item."""

RESTS_LABEL = "dailies.rests"
"""Label of a flow run: the id of the paused state in which its process has really stopped."""
STEP_RETRIES_LABEL = "dailies.step-retries"
"""Label of a job's flow run: how often its steps were tried again by themselves."""
_AT_ONCE = "at-once:"
_IN_QUEUE = "in-queue:"


def pause_key(mode: PauseMode, token: str, *, is_queued: bool = False) -> str:
    """Return the key of a pause, by which the run that it stops knows what is asked.

    Args:
        mode: When to stop.
        token: Something unique: Prefect refuses the same key twice.
        is_queued: No process worked on the run.
    """
    prefix = _IN_QUEUE if is_queued else _AT_ONCE if mode is PauseMode.AT_ONCE else ""
    return prefix + token


def pause_mode(key: str | None) -> PauseMode:
    """Return what a pause asks for; one that is not ours (the Prefect UI's) waits for the end of the step."""
    return PauseMode.AT_ONCE if (key or "").startswith(_AT_ONCE) else PauseMode.AFTER_STEP


def was_paused_in_queue(key: str | None) -> bool:
    """Say whether a pause found the job waiting, so that there is no process to wait for."""
    return (key or "").startswith(_IN_QUEUE)


class StateView(DomainModel):
    """A job's state with its reason."""

    state: JobState
    reason: str | None = None


_BY_NAME: dict[str, StateView] = {
    REVIEW_STATE: StateView(state=JobState.SUCCEEDED, reason=REVIEW_REASON),
    "Late": StateView(state=JobState.QUEUED, reason="late"),
    "AwaitingConcurrencySlot": StateView(state=JobState.QUEUED, reason="waiting_for_slot"),
    "AwaitingRetry": StateView(state=JobState.QUEUED, reason="retry_wait"),
    "TimedOut": StateView(state=JobState.FAILED, reason="time_limit"),
}

_BY_TYPE: dict[str, StateView] = {
    "SCHEDULED": StateView(state=JobState.QUEUED),
    "PENDING": StateView(state=JobState.QUEUED),
    "RUNNING": StateView(state=JobState.RUNNING),
    "PAUSED": StateView(state=JobState.PAUSED),
    "CANCELLING": StateView(state=JobState.CANCELLING),
    "CANCELLED": StateView(state=JobState.CANCELLED),
    "COMPLETED": StateView(state=JobState.SUCCEEDED),
    "FAILED": StateView(state=JobState.FAILED),
}


def job_state(state_type: str | None, state_name: str | None, message: str | None, attempts_remain: bool) -> StateView:
    """Map a Prefect state to a job state and reason.

    Args:
        state_type: Prefect's state type (``RUNNING``); ``None`` for a run that has no state yet.
        state_name: Prefect's state name (``Late``), finer than its type.
        message: The state's message; a failure's dotted code is read from its ``[CODE]`` mark.
        attempts_remain: Whether a crashed run will be tried again.
    """
    if state_type is None:
        return _BY_TYPE["PENDING"]
    if state_type == "CRASHED":
        if attempts_remain:
            return StateView(state=JobState.QUEUED, reason="infrastructure")
        return StateView(state=JobState.FAILED, reason="infrastructure")
    view = _BY_NAME.get(state_name or "") or _BY_TYPE[state_type]
    if view.state is JobState.FAILED and view.reason is None:
        return StateView(state=JobState.FAILED, reason=error_code(message) or "INFRA.UNKNOWN")
    return view


def error_code(message: str | None) -> str | None:
    """Return the dotted code in a state message that :class:`DailiesError` wrote, or ``None``."""
    text = message or ""
    start = text.find("[")
    end = text.find("]", start)
    code = text[start + 1 : end] if start >= 0 and end > start else ""
    parts = code.split(".")
    return code if len(parts) > 1 and all(p.replace("_", "").isalnum() and p.isupper() for p in parts) else None
