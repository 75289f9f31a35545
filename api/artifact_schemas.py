"""The shapes of what a job made, and of who made it: what the REST API answers about its artifacts."""

from datetime import datetime
from typing import Any

from pydantic import Field

from api.asset_schemas import CopyAnswer
from api.schemas import Answer, Publication
from data.domain.generations import Capability, GenerationState
from data.domain.ledger import PassedOver


class JobArtifact(Answer):
    """Something that AI made for a job: captions, chapters, a clip."""

    kind: str
    key: str = Field(description="Of what it was made of and how: equal work has the same.")
    created_at: datetime
    details: dict[str, Any] = Field(description="The step's outcome.")


class JobGeneration(Answer):
    """One request to a provider, as the job's owner sees it: who made it, how long that took, and what it cost."""

    id: str
    provider: str = Field(description="Its name in the settings.")
    engine: str
    model: str = Field(description="Empty: the engine's own choice.")
    capability: Capability = Field(
        description="What it was asked for: `image_to_video` sets the user's picture in motion."
    )
    state: GenerationState
    seconds: float | None = Field(
        description="From the request to the finished result; `null` where there is none yet."
    )
    charged: float | None = Field(description="What it costs this job; `null` while nothing was accepted.")
    currency: str
    is_reused: bool = Field(description="It was made before, for another job: nothing was made and nothing is paid.")
    created_at: datetime
    code: str | None = Field(description="Of the error, where it failed.")
    message: str
    passed_over: tuple[PassedOver, ...] = Field(description="Providers that cannot do what was asked for, and why.")


class JobArtifacts(Answer):
    """What a job made."""

    asset_id: str | None
    items: tuple[JobArtifact, ...] = Field(description="The latest first; what was made before is found, not made.")
    generations: tuple[JobGeneration, ...] = Field(
        default=(), description="What was asked of providers, where the video is made of words; the latest first."
    )
    publication: Publication | None = Field(default=None, description="What the job published, with its addresses.")
    copies: tuple[CopyAnswer, ...] = Field(default=(), description="That the recipe's publish targets get by this job.")
