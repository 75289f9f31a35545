"""Passages: stretches of what is said and shown in a video, as the search finds them."""

from enum import StrEnum

from data.domain.model import DomainModel

VECTOR_LENGTH = 384
"""Numbers of a passage's meaning (all-MiniLM-L6-v2), each a little-endian float16 where they are stored."""


class PassageKind(StrEnum):
    """Where a passage's words come from."""

    TITLE = "title"
    SPEECH = "speech"
    TRANSLATION = "translation"
    TEXT = "text"
    """Read in the picture."""


class Passage(DomainModel):
    """Some words of a video, the time at which they are there, and what they mean."""

    kind: PassageKind
    start_seconds: float
    end_seconds: float
    text: str
    language: str = ""
    vector: str = ""
    """Base64 of its meaning, of length one; empty where there is none: it is found by its words alone."""


class Passages(DomainModel):
    """The passages of one video, as an AI step hands them on."""

    model: str
    items: tuple[Passage, ...]


class Hit(DomainModel):
    """A passage that answers a question."""

    asset_id: str
    title: str
    kind: PassageKind
    start_seconds: float
    end_seconds: float
    snippet: str
    score: float
    """Higher is better; comparable within one answer only."""
    matched: tuple[str, ...]
    """``words``, ``meaning`` or both."""
