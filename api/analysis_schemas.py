"""The shapes of analyses and their events."""

from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator, Field

from api.schemas import (
    METADATA,
    SOURCE,
    AnalysisLinks,
    Answer,
    Call,
    MaxRetries,
    Metadata,
    Priority,
    Source,
    clean_title,
)
from api.webhook_schemas import JobWebhooks
from data.domain.analysis import AnalysisOptions, AnalysisSummary, EventKind
from data.domain.jobs import MAX_TITLE_CHARACTERS


class AnalyzeCall(Call):
    """What to look for in an asset."""

    options: AnalysisOptions = Field(
        default=AnalysisOptions(enabled=True),
        description="As `analysis` of a recipe; that it is `enabled` goes without saying. Places are shares (0–1) of "
        "the picture's width and height.",
    )
    priority: Priority = Priority.DEFAULT
    max_retries: MaxRetries = None
    title: Annotated[str, BeforeValidator(clean_title)] = Field(default="", max_length=MAX_TITLE_CHARACTERS)
    metadata: Metadata = Field(default_factory=dict, description=METADATA)
    webhooks: JobWebhooks = ()


class AnalysisSubmission(AnalyzeCall):
    """What to look at, and what for; nothing of it is published."""

    source: Source = Field(description=SOURCE, examples=["upload:0f8c2d"])


class AnalysisAnswer(Answer):
    """What was found in an asset."""

    asset_id: str
    key: str = Field(description="Names this analysis: the same content, options and versions have the same.")
    created_at: datetime
    job_id: str | None = Field(default=None, description="Of the job that made it.")
    options: AnalysisOptions
    summary: AnalysisSummary = Field(description="With the longest tracks; all are in the file.")
    sentences: tuple[str, ...] = Field(description="What it came to, for a person.")
    events: str = Field(description="Where its events are, page by page.")
    urls: AnalysisLinks


class EventQuery(Answer):
    """Which events are wanted; all that is given has to hold."""

    kinds: frozenset[EventKind] = frozenset()
    track: int | None = None
    zone: str | None = None
    from_seconds: float | None = None
    to_seconds: float | None = None
