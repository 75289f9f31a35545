"""Generations: what is asked of a provider, and how far one request to it has come."""

import hashlib
import json
from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from data.domain.model import DomainModel

_TITLE_CHARACTERS = 60

AspectRatio = Literal["16:9", "9:16", "1:1"]


class Capability(StrEnum):
    """What a provider can be asked for. Jobs ask for video; the rest an engine may offer, and nobody asks for yet."""

    TEXT_TO_VIDEO = "text_to_video"
    IMAGE_TO_VIDEO = "image_to_video"
    TEXT_TO_IMAGE = "text_to_image"
    SPEECH = "speech"
    TRANSCRIPTION = "transcription"
    CHAT = "chat"


class GenerationState(StrEnum):
    """How far a generation has come; each is written to the ledger before what follows it is done."""

    PREPARED = "prepared"
    """On record, nothing sent."""
    SENDING = "sending"
    """Being sent. A process that dies here leaves open whether the provider has taken it."""
    ACCEPTED = "accepted"
    """The provider's id is on record; from here on only that id is asked for."""
    MADE = "made"
    """The provider has finished it; it is still to be downloaded."""
    STORED = "stored"
    """The result lies in the object store."""
    FAILED = "failed"
    """Definitely failed; nothing more will come of it."""
    HELD = "held"
    """Nobody knows whether the provider has taken it: a person decides, it is never sent again by itself."""
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens by itself."""
        return self in {self.STORED, self.FAILED, self.HELD, self.CANCELLED}


class Reference(DomainModel):
    """A picture or clip of the user's own that a generation may show."""

    name: str
    """Its file name, by which it is matched to what is said."""
    key: str
    """Where it lies in the object store."""
    kind: Literal["image", "video", "font"]
    is_brand: bool = False
    """It belongs to the brand, which names it: it is not one of those to be shown."""


class Brand(DomainModel):
    """How composed video looks."""

    background: str = Field(default="#10131c", pattern=r"^#[0-9a-fA-F]{6}$")
    primary: str = Field(default="#f5f2ea", pattern=r"^#[0-9a-fA-F]{6}$")
    """Colour of text."""
    accent: str = Field(default="#ff6b4a", pattern=r"^#[0-9a-fA-F]{6}$")
    font: str = ""
    """A font file, as a source of any kind that a job takes; empty takes the shipped display typeface."""
    logo: str = ""
    """A picture, likewise, shown small in a corner."""
    intro: str = ""
    """A clip, likewise, played before."""
    outro: str = ""
    """A clip, likewise, played after."""


class GenerationOptions(DomainModel):
    """What is made of a prompt or a script: the recipe's part, without the words themselves."""

    references: tuple[str, ...] = Field(default=(), max_length=50)
    """Pictures and clips of the user's own to show: sources of every kind that a job takes. The storyboard shows all of
    them; a model sets one picture in motion; a provider that can do neither is passed over."""
    providers: tuple[str, ...] = ()
    """Providers to try, by name, in this order; empty leaves it to the settings."""
    aspect_ratio: AspectRatio = "16:9"
    short_side: int = Field(default=720, ge=144, le=2160)
    """Height in pixels of landscape video, width of portrait."""
    frame_rate: int = Field(default=25, ge=8, le=60)
    duration_seconds: float | None = Field(default=None, gt=0, le=3600)
    """How long it is to be, where the provider takes that; narration lasts as long as its words."""
    seed: int | None = Field(default=None, ge=0, lt=2**31)
    """The same seed, words and models make the same video; ``null`` takes one from the words."""
    negative_prompt: str = Field(default="", max_length=4000)
    language: str = Field(default="en", pattern=r"^[a-z]{2,3}$")
    """ISO 639 code of the words."""
    voice: str = Field(default="af_heart", pattern=r"^[a-z0-9_]{1,40}$")
    speech_rate: float = Field(default=1.0, ge=0.5, le=2.0)
    music: bool = True
    karaoke: bool = True
    """Show the words as they are said."""
    brand: Brand = Brand()
    max_cost: float | None = Field(default=None, ge=0)
    """Most that the paid generations of one job may cost, in the settings' currency."""

    def digest(self) -> str:
        """Return 24 hex digits of sha256 over the options."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    @property
    def sources(self) -> tuple[str, ...]:
        """Every file of the user's that it names."""
        brand = self.brand
        return (*self.references, *filter(None, (brand.font, brand.logo, brand.intro, brand.outro)))


class Words(DomainModel):
    """What a video is made of where there is no source."""

    prompt: str = ""
    script: str = ""

    @property
    def title(self) -> str:
        """What to call the video where nobody said: how its words begin."""
        text = " ".join((self.prompt or self.script).split())
        beginning = text[:_TITLE_CHARACTERS].rsplit(" ", 1)[0] if len(text) > _TITLE_CHARACTERS else text
        return beginning.rstrip(" ,;:-.!?")

    def __bool__(self) -> bool:
        return bool(self.prompt.strip() or self.script.strip())


class GenerationRequest(DomainModel):
    """One request to a provider, whole: what decides the result is in it."""

    capability: Capability = Capability.TEXT_TO_VIDEO
    prompt: str = Field(default="", max_length=32_768)
    """What is to be seen."""
    script: str = Field(default="", max_length=262_144)
    """What is to be said, word by word; empty where there is only a prompt."""
    references: tuple[Reference, ...] = ()
    options: GenerationOptions = GenerationOptions()

    @model_validator(mode="after")
    def _has_words(self) -> "GenerationRequest":
        if not (self.prompt.strip() or self.script.strip()):
            raise ValueError("A generation needs a prompt or a script.")
        return self

    @property
    def shown(self) -> tuple[Reference, ...]:
        """The pictures and clips to show, without the brand's own."""
        return tuple(each for each in self.references if not each.is_brand)

    @property
    def width(self) -> int:
        """Width in pixels, even."""
        return self._size()[0]

    @property
    def height(self) -> int:
        """Height in pixels, even."""
        return self._size()[1]

    @property
    def seed(self) -> int:
        """The seed: as asked for, else one that the words decide."""
        if self.options.seed is not None:
            return self.options.seed
        return int(hashlib.sha256(f"{self.prompt}\n{self.script}".encode()).hexdigest()[:7], 16)

    def digest(self) -> str:
        """Return 24 hex digits of sha256 over everything that decides the result, which neither caps nor names do."""
        document = self.model_dump(mode="json", exclude={"options": {"providers", "max_cost"}})
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def _size(self) -> tuple[int, int]:
        across, down = (int(part) for part in self.options.aspect_ratio.split(":"))
        short = self.options.short_side
        scale = short / min(across, down)
        return round(across * scale / 2) * 2, round(down * scale / 2) * 2
