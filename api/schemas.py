"""The shapes that the REST API takes and answers (OpenAPI is made from them)."""

import math
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Generic, Literal, TypeVar

import orjson
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from data.domain.errors import FailureClass
from data.domain.findings import Decision
from data.domain.jobs import (
    MAX_METADATA_BYTES,
    MAX_PROMPT_CHARACTERS,
    MAX_RETRIES,
    MAX_SCRIPT_CHARACTERS,
    MAX_TITLE_CHARACTERS,
    JobMove,
    JobState,
    one_line,
)
from data.domain.provenance import Action
from data.domain.publications import AudioRendition, GateReport, KeptPart, Rendition, SpriteSheet, ToolVersions
from data.domain.recipes import Recipe
from data.domain.sources import MAX_SOURCE_CHARACTERS
from data.recipes import RecipeOrigin

Item = TypeVar("Item")


def _written_out(moment: object) -> object:
    is_written = isinstance(moment, str) and "T" in moment.upper()
    if not is_written and not isinstance(moment, datetime):  # a bare number would be taken for seconds since 1970
        raise ValueError("not a time as RFC 3339 has it, such as 2026-01-31T22:00:00Z")
    return moment


Instant = Annotated[AwareDatetime, BeforeValidator(_written_out)]
"""A time with its zone, as RFC 3339 has it."""

MAX_CURSOR_CHARACTERS = 16_384
"""Longest `after` of a page; a request's line and headers take 32 KiB."""


class Answer(BaseModel):
    """Base of everything the API answers; frozen, because answers are built once and never changed."""

    model_config = ConfigDict(frozen=True)


def refuse_what_cannot_be_kept(body: object) -> None:
    """Refuse what JSON can say but no database keeps: NUL, halves of characters, endless and enormous numbers.

    Raises:
        ValueError: There is something of it, somewhere.
    """
    waiting = [body]
    while waiting:
        match waiting.pop():
            case dict() as each:
                waiting += [*each.keys(), *each.values()]
            case list() | tuple() as each:
                waiting += each
            case str() as each if "\0" in each or any("\ud800" <= character <= "\udfff" for character in each):
                raise ValueError("texts may not hold NUL or halves of characters")
            case bool():
                pass
            case int() as each if not -(2**63) <= each < 2**63:
                raise ValueError("numbers may not be larger than 64 bits")
            case float() as each if not math.isfinite(each):
                raise ValueError("numbers may not be infinite")


class Call(BaseModel):
    """Base of every request body; unknown fields are refused so that a typing slip does not pass silently."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _can_be_kept(cls, body: object) -> object:
        refuse_what_cannot_be_kept(body)
        return body


class Priority(StrEnum):
    """How soon a job comes; each has a Prefect work queue of the same name, into which a job is handed in."""

    HIGH = "high"
    DEFAULT = "default"
    LOW = "low"


def _within_limit(metadata: dict[str, Any]) -> dict[str, Any]:
    size = len(orjson.dumps(metadata))
    if size > MAX_METADATA_BYTES:
        raise ValueError(f"metadata is {size} bytes as JSON, at most {MAX_METADATA_BYTES} are taken")
    return metadata


def clean_title(title: object) -> object:
    """Return a title as one line of visible characters; what is no text stays as it is."""
    return one_line(title) if isinstance(title, str) else title


SOURCE = "An absolute path below an allowed root, `upload:<id>`, an `https://` address, or `s3://bucket/key`."
METADATA = "Yours: kept with the job and given back as it is, at most 16 KiB of JSON."
Source = Annotated[str, Field(max_length=MAX_SOURCE_CHARACTERS)]
Metadata = Annotated[dict[str, Any], AfterValidator(_within_limit)]
MaxRetries = Annotated[
    int | None,
    Field(
        ge=0,
        le=MAX_RETRIES,
        description="How often a step is tried again after a failure that may pass; by default as the service is set.",
    ),
]


class JobRequest(Call):
    """What to process, and how."""

    source: Source | None = Field(
        default=None, description=SOURCE, examples=["upload:0f8c2d", "https://media.example/clip.mp4"]
    )
    prompt: str | None = Field(
        default=None,
        max_length=MAX_PROMPT_CHARACTERS,
        description="What a video is to show, in place of a `source`; how it is made, `generation` of the recipe says.",
        examples=["A lighthouse in a storm at night"],
    )
    script: str | None = Field(
        default=None,
        max_length=MAX_SCRIPT_CHARACTERS,
        description="What a video is to say, word by word, in place of a `source`; may come with a `prompt`.",
    )
    recipe: str = Field(default="default", max_length=64, description="Name of a recipe.")
    overrides: dict[str, Any] = Field(
        default_factory=dict,
        description="Fields of the recipe to replace, by dotted name.",
        examples=[{"captions.language": "en"}],
    )
    priority: Priority = Priority.DEFAULT
    max_retries: MaxRetries = None
    title: Annotated[str, BeforeValidator(clean_title)] = Field(default="", max_length=MAX_TITLE_CHARACTERS)
    metadata: Metadata = Field(default_factory=dict, description=METADATA)


class JobLinks(Answer):
    """Where to go from a job."""

    self: str
    logs: str
    history: str
    asset: str | None = None
    watch: str | None = Field(default=None, description="The player page; there once the job has published.")
    prefect: str = Field(description="The run in the Prefect UI.")


class StepProgress(Answer):
    """How far one step of the pipeline is."""

    name: str
    progress: float = Field(ge=0, le=1)


class Job(Answer):
    """A job: one Prefect flow run as users of the API see it. Its id is the flow-run id."""

    id: str
    title: str
    owner: str = Field(description="Id of the user whose it is.")
    state: JobState
    reason: str | None = Field(
        default=None,
        description="Why it is in that state, or what it waits for: `late`, `waiting_for_slot`, `retry_wait`, a dotted "
        "error code …",
    )
    position: int | None = Field(
        default=None,
        description="Place in the queue of its machine while a running job is `waiting_for_slot`: 1 for the next one.",
    )
    next_try_at: datetime | None = Field(
        default=None,
        description="When a job goes on that is in `retry_wait`: it, or a step of it, is tried again then.",
    )
    message: str | None = Field(default=None, description="The failure in words; only for failed jobs.")
    step: str | None = Field(default=None, description="The step begun last: `ingest`, `transcode`, `generate` …")
    steps: tuple[StepProgress, ...] = ()
    attempt: int = Field(description="How often the job has started; 0 while it has not.")
    step_retries: int = Field(default=0, description="How often a step of it was tried again by itself.")
    progress: float = Field(ge=0, le=1, description="Share of the work that is done, weighted by step.")
    last_progress_at: datetime | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    priority: str = Field(description="How soon it comes: `high`, `default` or `low`.")
    queue: str | None = Field(
        default=None,
        description="The Prefect work queue that it was handed in to, and stays in when its `priority` is changed: "
        "raised it starts before all others that wait there, lowered after them; other queues it does not pass.",
    )
    max_retries: int | None = Field(default=None, description="Of a step; `null` where the job asked for none.")
    source: str | None = None
    recipe: str | None = None
    overrides: dict[str, Any] = Field(default_factory=dict)
    analysis: dict[str, Any] | None = Field(
        default=None, description="The options, where the job only analyses an asset; `null` for others."
    )
    metadata: dict[str, Any] = Field(default_factory=dict)
    asset_id: str | None = Field(default=None, description="Known once the source is ingested.")
    webhooks: tuple[str, ...] = Field(default=(), description="Ids of the webhook endpoints that came with it.")
    moves: tuple[JobMove, ...] = Field(default=(), description="What can be asked of the job now.")
    links: JobLinks | None = None


class JobQuery(Answer):
    """Which jobs to list."""

    states: frozenset[JobState] = frozenset()
    text: str | None = None
    recipe: str | None = None
    owner: str | None = None
    failures: frozenset[FailureClass] = frozenset()
    created_after: Instant | None = None
    created_before: Instant | None = None


class Spread(Answer):
    """How long something took, over many jobs, in seconds; `null` where none did."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    longest: float | None = None


class HourCount(Answer):
    """How many jobs ended within an hour."""

    hour: datetime
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0


class JobMetrics(Answer):
    """Jobs in numbers, over a window that ends now."""

    since: datetime
    until: datetime
    states: dict[str, int] = Field(description="Jobs that were due in the window, by their state now.")
    ended: int = Field(description="Jobs that ended in the window.")
    looked_at: int = Field(description="What follows is over so many of those, the latest.")
    success_rate: float | None = Field(description="Succeeded of succeeded and failed; `null` where there is neither.")
    recipes: dict[str, int]
    failures: dict[str, int] = Field(description="By failure class.")
    retries: int = Field(description="How often jobs started again, after a crash or a pause, or by request.")
    step_retries: int = Field(description="How often steps were tried again by themselves, within a job's start.")
    cancellations: int
    wait_seconds: Spread = Field(description="From when a job was due to its first start.")
    run_seconds: Spread = Field(description="Of work, over all its starts.")
    hours: tuple[HourCount, ...] = Field(description="The latest hour first; hours in which none ended are left out.")


class JobPatch(Call):
    """What to change about a job; what is left out stays."""

    title: Annotated[str | None, BeforeValidator(clean_title)] = Field(
        default=None, max_length=MAX_TITLE_CHARACTERS, description="Of the publication: while the job has not begun."
    )
    metadata: Annotated[dict[str, Any], AfterValidator(_within_limit)] | None = Field(
        default=None, description="In place of all that there is."
    )
    priority: Priority | None = Field(
        default=None, description="How soon it comes from now on: until the job has ended.", examples=["high"]
    )


class LogQuery(Answer):
    """Which lines to find."""

    text: str | None = None
    level: int = 0
    job_id: str | None = None
    since: Instant | None = None
    until: Instant | None = None


class Page(Answer, Generic[Item]):
    """One page of a list."""

    items: tuple[Item, ...]
    next: str | None = Field(
        default=None, description="Pass as `after` for what follows; `null` when there is nothing more."
    )


class LogLevel(StrEnum):
    """How grave a line of a log is."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


class LogLine(Answer):
    """One line that a job, or its child on the `gpu` pool, logged."""

    at: datetime
    level: str
    logger: str
    message: str
    run_id: str = Field(description="The flow run that logged it: the job's own, or its child's.")
    task_run_id: str | None = None


class LogPage(Page[LogLine]):
    """Log lines, oldest first. `next` stays set while the job can still log: ask again with it to follow."""


class Transition(Answer):
    """One state that a job went through."""

    at: datetime
    state: JobState
    reason: str | None = None
    prefect_state: str = Field(description="Prefect's own name of the state.")
    message: str | None = None


class History(Answer):
    """The states of a job, oldest first."""

    items: tuple[Transition, ...]


class Upload(Answer):
    """A file handed in, waiting for its job."""

    id: str
    source: str = Field(description="What to give as `source` of a job.")
    name: str
    size_bytes: int
    sha256: str | None = Field(description="`null` for what was sent to the store in parts: its job reckons it.")


class PartsBegin(Call):
    """A file that the client sends to the object store itself."""

    name: str = Field(
        min_length=1, max_length=1_000, description="For people; of a manifest, its format is told by it."
    )
    size_bytes: int = Field(ge=1)


class PartAddress(Answer):
    """Where a part is PUT, without credentials."""

    number: int
    size_bytes: int
    url: str


class PartsUpload(Answer):
    """An upload under way: PUT each part, keep the `ETag` of its answer, then complete."""

    id: str
    source: str = Field(description="What to give as `source` of a job, once complete.")
    expires_at: datetime = Field(description="Of the addresses; ask again for fresh ones.")
    parts: tuple[PartAddress, ...]


class SentPart(Call):
    """A part that was sent."""

    number: int = Field(ge=1, le=10_000)
    etag: str = Field(max_length=100, description="As the store answered it.")


class PartsComplete(Call):
    """The parts that were sent."""

    parts: tuple[SentPart, ...] = Field(min_length=1, max_length=10_000)


class PlaybackUrls(Answer):
    """Where a publication plays; every address is immutable for its version."""

    watch: str
    hls: str
    dash: str
    mp4: str
    poster: str
    sprite: str
    thumbnails: str
    preview: str | None = Field(
        default=None, description="GIF or animated WebP; `null` where the recipe asks for none."
    )
    audio: str | None = Field(default=None, description="The sound alone, for a download; `null` where there is none.")
    chapters: str | None = None
    text: str | None = Field(default=None, description="The text in the picture with its times and places, as JSON.")


class CaptionLink(Answer):
    """Captions of one language."""

    language: str
    label: str
    vtt_url: str
    srt_url: str
    word_count: int
    cue_count: int
    first_lines: tuple[str, ...] = ()
    model: str
    is_translation: bool = Field(default=False, description="It says in another language what is said.")


class ChapterMark(Answer):
    """A chapter."""

    start_seconds: float
    end_seconds: float
    title: str


class ProvenanceAnswer(Answer):
    """Where a video came from, and what was changed in it."""

    is_ai_generated: bool = Field(description="A model made the video, or a part of it such as its voice.")
    is_ai_edited: bool = Field(description="Picture or sound were changed with a model's help.")
    summary: str = Field(description="What AI had a share in, and with which models; empty where it had none.")
    actions: tuple[Action, ...] = Field(description="What was done, in order, in the words of C2PA.")
    signed: tuple[str, ...] = Field(description="Files that carry it as Content Credentials (C2PA); captions' aside.")
    signer: str = Field(description="Name in the certificate that they are signed with.")


class AnalysisLinks(Answer):
    """Where the files of an analysis are."""

    events: str = Field(description="Every event, one a line of JSON, by time.")
    telemetry: str = Field(description="Parquet: one row a track and frame that was looked at.")
    telemetry_csv: str
    frames: str = Field(description="Parquet: one row a frame that was looked at.")
    frames_csv: str
    annotated: str | None = Field(
        default=None, description="MP4: boxes, tracks, zones and counts drawn in; `null` where nobody wanted it."
    )
    events_chart: str = Field(description="PNG: what happened when.")
    heat_map: str = Field(description="PNG: where tracks were.")
    summary: str = Field(description="JSON: all numbers, with every track.")
    summary_text: str = Field(description="Markdown, for a person.")


class PublicAnalysis(Answer):
    """What was found in a video that is public."""

    detector: str = Field(description="What looked; begins with `SIMULATED` where nothing did.")
    is_simulated: bool
    track_count: int
    event_counts: dict[str, int] = Field(description="By kind.")
    sentences: tuple[str, ...] = Field(description="What it came to, for a person.")
    urls: AnalysisLinks


class Publication(Answer):
    """What is public about an asset now."""

    version: int
    published_at: datetime
    job_id: str
    recipe: str
    title: str
    duration_seconds: float
    urls: PlaybackUrls
    renditions: tuple[Rendition, ...] = Field(description="Highest first.")
    audio: AudioRendition | None
    captions: tuple[CaptionLink, ...]
    chapters: tuple[ChapterMark, ...]
    sprite: SpriteSheet
    gate: GateReport = Field(description="What was checked before it became public.")
    tools: ToolVersions
    notes: tuple[str, ...] = ()
    kept: KeptPart | None = Field(default=None, description="Which part of the source it is; `null`: all of it.")
    approval: Decision | None = Field(default=None, description="Who let it become public after it had been held.")
    provenance: ProvenanceAnswer | None = Field(
        default=None, description="`null` where it was published before that was told."
    )
    analysis: PublicAnalysis | None = Field(default=None, description="What was found in it, where somebody looked.")
    size_bytes: int


class RecipeSummary(Answer):
    """What a job or a row of a batch can ask for by name."""

    name: str
    version: int
    description: str
    origin: RecipeOrigin = Field(description="`shipped` with Dailies, or the operator's `own`, which wins by name.")
    extends: tuple[str, ...] = Field(description="What it is built on, nearest first.")
    rehearsal: bool = Field(description="It only simulates: for batches, never for a single job.")
    digest: str = Field(description="Of what it does; recipes that do the same share it.")


class BrokenRecipe(Answer):
    """A recipe's file that does not validate."""

    name: str
    origin: RecipeOrigin
    problem: str


class Recipes(Page[RecipeSummary]):
    """Recipes, by name."""

    broken: tuple[BrokenRecipe, ...] = Field(
        default=(), description="Files that are no valid recipe, and why: all of them, on every page."
    )


class RecipeAnswer(RecipeSummary):
    """A recipe with everything that it inherits, and every default."""

    recipe: Recipe


class Alive(Answer):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Dependency(Answer):
    """One thing the service stands on."""

    name: str
    ok: bool
    needed: bool = Field(description="Whether the service is of no use without it.")
    latency_ms: float
    detail: str = ""


class Readiness(Answer):
    """Whether work can be taken: `ready`, `degraded` (taken, but something is missing) or `unavailable`."""

    status: Literal["ready", "degraded", "unavailable"]
    dependencies: tuple[Dependency, ...]
    jobs: dict[str, int] = Field(default_factory=dict, description="Unfinished jobs by state.")
    in_memory: bool = Field(False, description="A demonstration: everything lies in memory and is gone when it ends.")


class Problem(Answer):
    """An error as RFC 9457 has it, with a stable `code` and the facts that belong to it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    facts: dict[str, Any] = Field(default_factory=dict)
    errors: tuple[dict[str, Any], ...] = ()
