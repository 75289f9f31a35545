"""What the AI steps find in a picture: how it scores as unfit for all eyes, and the text that is to be read in it."""

from datetime import datetime

from data.domain.model import DomainModel


class UneasyFrame(DomainModel):
    """A frame that scored high, for a person to look at."""

    at_seconds: float
    score: float
    """0–1, how likely it is unfit for all eyes."""
    key: str
    """JPEG in the object store; never part of a publication."""


class ModerationVerdict(DomainModel):
    """What moderation came to: the score of the worst frame, by which a person may have to decide."""

    score: float
    """0–1, of the worst frame that was looked at."""
    threshold: float
    frame_count: int
    """Frames that were looked at."""
    worst: tuple[UneasyFrame, ...]
    """Worst first, at most a few, no two of them close in time; none where all scores are next to nothing."""
    report_key: str
    """Every frame's time and score, as JSON."""
    model: str

    @property
    def needs_review(self) -> bool:
        """Whether a person has to look before it is published."""
        return self.score >= self.threshold


class TextBox(DomainModel):
    """Where a text stands, in shares (0–1) of the picture's width and height."""

    left: float
    top: float
    width: float
    height: float


class SeenText(DomainModel):
    """One line of text in the picture, and from when to when it is there."""

    text: str
    start_seconds: float
    end_seconds: float
    box: TextBox
    """Where it is read best."""
    confidence: float
    """0–1, at its best."""


class SeenTexts(DomainModel):
    """All text in a video's picture; kept as JSON, and published as that."""

    model: str
    frame_count: int
    """Frames that were read."""
    lines: tuple[SeenText, ...]
    """By start, then from top to bottom."""


class TextTrack(DomainModel):
    """The text of a video's picture in the object store."""

    key: str
    """:class:`SeenTexts` as JSON."""
    line_count: int
    first_lines: tuple[str, ...]


class PassagesFile(DomainModel):
    """What is said and shown in a video, cut into passages for the search index."""

    key: str
    passage_count: int


class Decision(DomainModel):
    """What a person decided about a publication, and why."""

    by: str
    at: datetime
    reason: str = ""
