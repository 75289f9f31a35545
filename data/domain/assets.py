"""What a source is: the facts that probing finds, and the asset that ingest makes of it."""

from fractions import Fraction
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer

from data.domain.edits import TrimOptions
from data.domain.model import DomainModel
from data.domain.provenance import Action

Rate = Annotated[
    Fraction,
    BeforeValidator(lambda value: Fraction(value) if isinstance(value, str) else value),
    PlainSerializer(str, return_type=str),
]
"""Frames a second as an exact fraction; JSON carries it as text (``"30000/1001"``)."""


class VideoFacts(DomainModel):
    """The picture of a source, as a viewer sees it: after rotation and with square pixels."""

    stream_index: int
    codec: str
    width: int
    """Display width in square pixels, after rotation and pixel aspect ratio."""
    height: int
    """Display height in square pixels, after rotation and pixel aspect ratio."""
    coded_width: int
    coded_height: int
    frame_rate: Rate
    """Nominal frames a second, sane (1/10 to 240) even where the container's claim is not."""
    is_variable_rate: bool = False
    packet_count: int | None = None
    """Coded pictures found by reading the file to its end, not the header's claim."""
    rotation_degrees: int = 0
    pixel_format: str = "yuv420p"
    bit_depth: int = 8
    is_hdr: bool = False
    color_matrix: str | None = None
    """ffmpeg's ``color_space`` (``bt709``, ``smpte170m``) where the file tells it."""
    is_interlaced: bool = False
    has_square_pixels: bool = True

    @property
    def short_side(self) -> int:
        """The smaller of width and height, by which rungs are named."""
        return min(self.width, self.height)

    @property
    def megapixels(self) -> float:
        """Millions of pixels in one frame."""
        return self.width * self.height / 1e6


class AudioFacts(DomainModel):
    """The sound of a source: its default (else first) audio stream."""

    stream_index: int
    codec: str
    channels: int
    sample_rate_hz: int
    language: str | None = None


class SourceFacts(DomainModel):
    """What probing found in a source file."""

    container: str
    duration_seconds: float
    """Duration of the picture; at least one frame's time."""
    start_seconds: float = 0.0
    picture_delay_seconds: float = 0.0
    """How long after the beginning of the file the first picture is shown; sound may be heard before it."""
    size_bytes: int
    video: VideoFacts
    audio: AudioFacts | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    """Container tags, control characters stripped, each at most 500 characters."""


class PreparedPart(DomainModel):
    """A part of a source, with what comes shortly before and after it."""

    begins_at_seconds: float
    """With what it begins, by the source's clock."""
    source_seconds: float
    """How long the source is."""
    trim: TrimOptions
    """What is left to be cut off it, by its own clock."""


class Preparation(DomainModel):
    """What the prepare step made of a source: other picture or sound, which the steps after it work on."""

    key: str
    """Cache key of the step; the content, as far as the steps after it are concerned."""
    media_key: str
    """Where the prepared video lies in the object store."""
    facts: SourceFacts
    """What the prepared video is."""
    sound_content: str
    """What decides the words that are heard: the source's sha256, with its times where it is a part of that; also where
    they are in the picture already."""
    part: PreparedPart | None = None
    """Where only a part of the source was prepared, since the recipe keeps no more; ``None``: all of it."""
    notes: tuple[str, ...] = ()
    """What was done, in sentences for a person."""
    actions: tuple[Action, ...] | None = None
    """What was done, with the models that had a share in it; ``None`` in records from before that was told."""


class Asset(DomainModel):
    """One video as an editorial thing. The same bytes again are the same asset."""

    id: str
    """The first 24 hex digits of the content's sha256."""
    sha256: str
    source_key: str
    """Where the source lies in the object store."""
    original_name: str
    """The file name as handed in, for people; never used as a path."""
    facts: SourceFacts
    preparation: Preparation | None = None
    """What was made of the source first; ``None`` where the source itself is worked on."""

    @property
    def content(self) -> str:
        """What decides what is made of it: the key of its preparation, else the source's sha256."""
        return self.preparation.key if self.preparation else self.sha256

    @property
    def sound_content(self) -> str:
        """What decides the words that are heard, for captions."""
        return self.preparation.sound_content if self.preparation else self.sha256

    @property
    def media_key(self) -> str:
        """Where the video that is worked on lies in the object store."""
        return self.preparation.media_key if self.preparation else self.source_key

    @property
    def media_facts(self) -> SourceFacts:
        """Facts of the video that is worked on."""
        return self.preparation.facts if self.preparation else self.facts
