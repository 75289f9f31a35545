"""The shapes of assets, of what waits for a decision about them, and of what the search finds."""

from datetime import datetime

from pydantic import Field

from api.schemas import Answer, Call, CaptionLink, PlaybackUrls, Publication
from data.domain.assets import Rate, SourceFacts
from data.domain.candidates import CandidateState
from data.domain.copies import CopyState
from data.domain.findings import Decision
from data.domain.passages import PassageKind
from data.domain.publications import GateReport
from data.domain.targets import TargetPart

MAX_REASON_CHARACTERS = 1000
MAX_NAME_CHARACTERS = 100


class Frame(Answer):
    """A frame that a person should look at."""

    at_seconds: float
    score: float = Field(description="0–1, how likely it is unfit for all eyes.")
    url: str


class CandidateAnswer(Answer):
    """A complete version that was checked and is not public: a person decides. Its addresses are the API's own."""

    job_id: str
    state: CandidateState
    why: str = Field(description="Why it waits.")
    title: str
    recipe: str
    duration_seconds: float
    created_at: datetime
    decided_at: datetime | None = None
    decided_by: str | None = None
    decision: str = ""
    score: float | None = Field(default=None, description="Of the worst frame; `null` when moderation did not look.")
    worst: tuple[Frame, ...] = Field(default=(), description="The frames with the highest scores.")
    urls: PlaybackUrls | None = Field(default=None, description="For a look at it; while it waits.")
    captions: tuple[CaptionLink, ...] = ()
    gate: GateReport


class RetractionAnswer(Answer):
    """That a person took down what was public."""

    version: int
    retracted: Decision


class CopyAnswer(Answer):
    """A copy of a version at a publish target of a recipe."""

    target: str = Field(description="Its name in the recipe.")
    state: CopyState = Field(description="`there`: whole, and named by the pointer at the target.")
    version: int
    is_public: bool = Field(
        description="Whether this version is the one that is public. Where it is not, and the copy is `there`, the "
        "target shows an old version, as one does that later recipes did not name: "
        "`DELETE /assets/{id}/copies/{target}` takes it away."
    )
    pointer: str = Field(description="Address of the small file at the target that says which version counts.")
    folder: str = Field(description="Address of the folder that holds this version.")
    parts: tuple[TargetPart, ...]
    file_count: int
    size_bytes: int
    job_id: str
    changed_at: datetime
    error: str = Field(description="Why it is not done yet; empty where nothing went wrong.")


class AssetAnswer(Answer):
    """One video as an editorial thing."""

    id: str
    sha256: str
    original_name: str
    facts: SourceFacts
    publication: Publication | None = Field(default=None, description="`null` while nothing is public.")
    candidate: CandidateAnswer | None = Field(default=None, description="What waits for a person, or waited last.")
    retraction: RetractionAnswer | None = Field(default=None, description="Who took down what was public, and why.")
    votes: int = 0
    copies: tuple[CopyAnswer, ...] = Field(default=(), description="At the recipes' publish targets.")


class PublicVideo(Answer):
    """What everybody may know of a video that is public: enough to play it."""

    id: str
    width: int = Field(description="Of the source, in pixels.")
    height: int
    frame_rate: Rate = Field(description="Frames a second, as a fraction.")
    size_bytes: int = Field(description="Of the source.")
    publication: Publication


class AssetSummary(Answer):
    """An asset in a list."""

    id: str
    original_name: str
    duration_seconds: float
    created_at: datetime
    version: int | None = Field(default=None, description="That is public; `null` while nothing is.")
    title: str = ""
    waiting: str | None = Field(default=None, description="Why a version waits for a person; `null` when none does.")
    waiting_job_id: str | None = None
    votes: int = 0


class VoteAnswer(Answer):
    """How a public video stands after a vote."""

    asset_id: str
    votes: int
    voted: bool = Field(description="Whether the caller's is among them.")


class RankedAsset(Answer):
    """A public video in the ranking."""

    asset_id: str
    title: str
    votes: int
    voted: bool = Field(description="Whether the caller's is among them.")
    published_at: datetime
    duration_seconds: float
    watch: str
    poster: str


class DecisionCall(Call):
    """Who decides, and why."""

    by: str = Field(
        default="anonymous",
        min_length=1,
        max_length=MAX_NAME_CHARACTERS,
        description="Taken at its word where nobody logs in; else the caller decides, whatever is said here.",
    )
    reason: str = Field(default="", max_length=MAX_REASON_CHARACTERS)


class PublishCall(DecisionCall):
    """Let what waits become public."""

    job_id: str | None = Field(
        default=None, max_length=100, description="Of the candidate that was looked at: another one is not published."
    )


class RetractCall(DecisionCall):
    """Reject what waits, or take down what is public: named, so that a repeated call cannot mean the other."""

    candidate: str | None = Field(default=None, max_length=100, description="Job id of the candidate to reject.")
    version: int | None = Field(default=None, ge=1, description="The public version to take down.")


class SearchHit(Answer):
    """A moment of a public video that answers the question."""

    asset_id: str
    title: str
    kind: PassageKind = Field(description="Where the words are from: said, translated, read in the picture, the title.")
    start_seconds: float
    end_seconds: float
    snippet: str
    score: float = Field(description="Higher is better; comparable within one answer only.")
    matched: tuple[str, ...] = Field(description="What made it a hit: its `words`, its `meaning`, or both.")
    asset: str
    watch: str = Field(description="The player page at that moment.")


class SearchAnswer(Answer):
    """What was found, the best first."""

    query: str
    items: tuple[SearchHit, ...]
