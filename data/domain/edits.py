"""Edits: what a recipe does to picture and sound before the ladder, each operation a value of its own.

They are carried out in one fixed order, whatever the order in which they are written, inside the single encode:
trim · deinterlace · stabilise · crop · rotate · speed · canvas · picture-in-picture · watermark · own sound (mute,
replace, mix) · fades · joined with other clips (intro, further clips, outro) · loudness. So times of a trim are those
of the source, and a watermark, a fade and a picture-in-picture belong to the source's own part: an intro and an outro
stay as they are. Times are in seconds, places and sizes in shares (0–1) of the picture where no unit is named.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from data.domain.model import DomainModel

_ROUNDING = 1e-6
_PICTURE_SHARE, _TEXT_SHARE = 0.12, 0.04

Source = Annotated[str, Field(max_length=4096)]
"""A path below an allowed root, ``upload:<id>``, ``https://`` or ``s3://``, as of a job; empty: none."""
InputKind = Literal["clip", "picture", "sound"]
CONTENT_SCHEME = "sha256:"
"""Begins the address of an input that was taken in: its content is all that it is known by from then on."""
Corner = Literal["top_left", "top", "top_right", "left", "centre", "right", "bottom_left", "bottom", "bottom_right"]
Cut = Literal["exact", "keyframe"]
Rgb = Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")]


class NamedInput(NamedTuple):
    """Something else that has to be fetched, and what it is to be."""

    field: str
    """Name of the recipe's field (``edit.join.intro``)."""
    kind: InputKind
    source: str


class TrimOptions(DomainModel):
    """The part of the source that is kept."""

    start_seconds: float = Field(default=0.0, ge=0)
    end_seconds: float | None = Field(default=None, gt=0)
    """``null``: to its end."""
    cut: Cut = "exact"
    """``exact`` to the frame; ``keyframe`` begins at the nearest keyframe at or before the start.

    Then the highest rung is the source's own pictures, not encoded again, where they are what it asks for and no other
    edit changes them; such a part may end a few frames late. What was kept is said with the publication.
    """

    @property
    def is_wanted(self) -> bool:
        """Whether anything is cut off."""
        return self.start_seconds > 0 or self.end_seconds is not None

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.end_seconds is not None and self.end_seconds <= self.start_seconds:
            raise ValueError(
                f"a trim ends after its start: {self.end_seconds:g} s is not after {self.start_seconds:g} s"
            )
        return self


WHOLE = TrimOptions()


class CropOptions(DomainModel):
    """A rectangle of the picture, in shares of it; the whole picture by default."""

    left: float = Field(default=0.0, ge=0, lt=1)
    top: float = Field(default=0.0, ge=0, lt=1)
    width: float = Field(default=1.0, gt=0, le=1)
    height: float = Field(default=1.0, gt=0, le=1)

    @model_validator(mode="after")
    def _lies_within(self) -> Self:
        for start, length in ((self.left, self.width), (self.top, self.height)):
            if start + length > 1 + _ROUNDING:
                raise ValueError(f"a crop lies within the picture: {start:g} + {length:g} is more than 1")
        return self


class RotateOptions(DomainModel):
    """Turned clockwise, then mirrored."""

    degrees: Literal[0, 90, 180, 270] = 0
    flip: Literal["none", "horizontal", "vertical"] = "none"


class CanvasOptions(DomainModel):
    """A picture of a given size or shape, into which the video is fitted; nothing is enlarged beyond its pixels."""

    aspect_ratio: str = Field(default="", pattern=r"^$|^[1-9]\d?:[1-9]\d?$")
    """Width to height, as in ``1:1``; empty: as it is."""
    short_side: int | None = Field(default=None, ge=64, le=4320)
    """Most pixels of the shorter side."""
    fit: Literal["pad", "crop"] = "pad"
    """Bars around it, or the middle of it."""
    pad_rgb: Rgb = "#000000"

    @property
    def is_wanted(self) -> bool:
        """Whether a shape or a size is asked for."""
        return bool(self.aspect_ratio) or self.short_side is not None


class WatermarkOptions(DomainModel):
    """A picture or a text over the source's own part."""

    source: Source = ""
    """A PNG, JPEG or WebP."""
    text: str = Field(default="", max_length=200)
    """In place of a picture."""
    position: Corner = "bottom_right"
    size: float | None = Field(default=None, gt=0, le=1)
    """Of a picture its width as a share of the video's; of a text its height as a share of the shorter side. ``null``:
    0.12 of a picture, 0.04 of a text. It becomes smaller where it would reach over the margin."""
    margin: float = Field(default=0.03, ge=0, le=0.4)
    """Distance from the edges, as a share of the shorter side."""
    opacity: float = Field(default=0.8, gt=0, le=1)
    tiled: bool = False
    """All over the picture."""
    text_rgb: Rgb = "#FFFFFF"

    @property
    def share(self) -> float:
        """How large it is, as it was asked for or by default."""
        if self.size is not None:
            return self.size
        return _TEXT_SHARE if self.has_text else _PICTURE_SHARE

    @property
    def has_text(self) -> bool:
        """Whether there is a text to be drawn."""
        return bool(self.text.strip())

    @property
    def is_wanted(self) -> bool:
        """Whether there is anything to be laid over the video."""
        return bool(self.source) or self.has_text


class PictureInPictureOptions(DomainModel):
    """Another clip in a corner of the picture, from its beginning on, without its sound.

    It ends with the shorter of the two.
    """

    source: Source = ""
    position: Corner = "top_right"
    size: float = Field(default=0.3, gt=0, le=1)
    """Its width as a share of the video's."""
    margin: float = Field(default=0.03, ge=0, le=0.4)
    start_seconds: float = Field(default=0.0, ge=0)
    """When it appears, by the clock of the source's own part."""


class JoinOptions(DomainModel):
    """Clips before and after the source's own part, fitted to its size and rate: whole, with black beside them."""

    intro: Source = ""
    outro: Source = ""
    append: tuple[Source, ...] = Field(default=(), max_length=50)
    """Further clips between the source's own part and the outro, in this order."""
    cross_fade_seconds: float = Field(default=0.0, ge=0, le=5)
    """0: hard cuts. Picture and sound of both overlap for so long."""

    @property
    def is_wanted(self) -> bool:
        """Whether there is anything to be joined."""
        return bool(self.intro or self.append or self.outro)


class OwnSoundOptions(DomainModel):
    """What becomes of the sound of the source's own part."""

    mode: Literal["keep", "mute", "replace", "mix"] = "keep"
    source: Source = ""
    """Sound for ``replace`` and ``mix``: a sound file, or a video's sound. It is cut, or ends in silence."""
    volume_db: float = Field(default=0.0, ge=-60, le=20)
    """Of that sound."""
    loop: bool = False
    """Begin it again until the video ends."""

    @property
    def takes_other(self) -> bool:
        """Whether another sound is heard."""
        return self.mode in ("replace", "mix")

    @model_validator(mode="after")
    def _has_what_it_takes(self) -> Self:
        if self.takes_other and not self.source:
            raise ValueError(f"the mode {self.mode} needs a source")
        return self


class FadeOptions(DomainModel):
    """From and to black and silence, at both ends of the source's own part."""

    in_seconds: float = Field(default=0.0, ge=0, le=10)
    out_seconds: float = Field(default=0.0, ge=0, le=10)


class LoudnessOptions(DomainModel):
    """How loud the whole is, by EBU R 128: measured first, then set with one gain.

    Peaks that would pass their ceiling are held by a limiter, which takes at most 12 dB off them: then the whole stays
    quieter than its target. Sound that is silent, or shorter than 0.4 s, is left as it is.
    """

    target_lufs: float | None = Field(default=None, ge=-36, le=-5)
    """``null``: as it is. -14 for most platforms, -23 for European broadcast."""
    true_peak_dbtp: float = Field(default=-1.0, ge=-9, le=0)
    """Ceiling of the peaks, before AAC, which may add some tenths of a decibel."""


class EditOptions(DomainModel):
    """Every edit of a recipe; by default none."""

    trim: TrimOptions = TrimOptions()
    deinterlace: Literal["auto", "always", "never"] = "auto"
    """``auto`` follows what probing found."""
    stabilise: bool = False
    """Take the shake out of a picture that was filmed by hand; it is enlarged by as little as hides its edges.

    An encode takes about twice as long.
    """
    crop: CropOptions = CropOptions()
    rotate: RotateOptions = RotateOptions()
    speed: float = Field(default=1.0, ge=0.25, le=4.0)
    """2 plays twice as fast; the sound keeps its pitch."""
    canvas: CanvasOptions = CanvasOptions()
    picture_in_picture: PictureInPictureOptions = PictureInPictureOptions()
    watermark: WatermarkOptions = WatermarkOptions()
    sound: OwnSoundOptions = OwnSoundOptions()
    fade: FadeOptions = FadeOptions()
    join: JoinOptions = JoinOptions()
    loudness: LoudnessOptions = LoudnessOptions()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be edited."""
        return self.effective == NO_EDITS

    @property
    def effective(self) -> Self:
        """The same edits without what has no effect: the place of a watermark that there is not, and the like."""
        is_idle = {
            "trim": not self.trim.is_wanted,
            "canvas": not self.canvas.is_wanted,
            "picture_in_picture": not self.picture_in_picture.source,
            "watermark": not self.watermark.is_wanted,
            "sound": self.sound.mode == "keep",
            "join": not self.join.is_wanted,
            "loudness": self.loudness.target_lufs is None,
        }
        return self.model_copy(update={name: getattr(NO_EDITS, name) for name, idle in is_idle.items() if idle})

    @property
    def changes_pictures(self) -> bool:
        """Whether pictures are made other than they are; which of them are kept, and what is heard, does not count."""
        aside = {name: getattr(NO_EDITS, name) for name in ("trim", "sound", "loudness")}
        return self.effective.model_copy(update=aside) != NO_EDITS

    def of_keys(self) -> dict[str, Any]:
        """Return what of it is part of keys and digests: what recipes once could not say is left out of theirs."""
        effective = self.effective
        said: dict[str, Any] = effective.model_dump(mode="json")
        said["watermark"]["size"] = effective.watermark.share  # a picture's was always there
        if said["trim"]["cut"] == NO_EDITS.trim.cut:
            del said["trim"]["cut"]
        return said

    @property
    def inputs(self) -> tuple[NamedInput, ...]:
        """Everything else that has to be fetched, with the field that names it, in the order of the operations."""
        return tuple(each for each in self._inputs() if each.source)

    @property
    def sources(self) -> tuple[str, ...]:
        """The addresses of everything else that has to be fetched, each once."""
        return tuple(dict.fromkeys(each.source for each in self.inputs))

    @property
    def needs_inputs(self) -> bool:
        """Whether something has to be fetched, or a text to be drawn, before anything is edited."""
        return bool(self.inputs) or self.watermark.has_text

    def _inputs(self) -> Iterator[NamedInput]:
        yield NamedInput("edit.picture_in_picture.source", "clip", self.picture_in_picture.source)
        mark = self.watermark
        if not mark.has_text or mark.source.startswith(CONTENT_SCHEME):  # else a text takes the picture's place
            yield NamedInput("edit.watermark.source", "picture", mark.source)
        if self.sound.takes_other:
            yield NamedInput("edit.sound.source", "sound", self.sound.source)
        yield NamedInput("edit.join.intro", "clip", self.join.intro)
        for place, source in enumerate(self.join.append):
            yield NamedInput(f"edit.join.append.{place}", "clip", source)
        yield NamedInput("edit.join.outro", "clip", self.join.outro)

    def addressed(self, addresses: Mapping[str, str], text_picture: str = "") -> Self:
        """Return the same edits with other addresses of their inputs; those that are not named stay.

        Args:
            addresses: The new by the old ones.
            text_picture: Address of the picture that was made of the watermark's text, if there is one.
        """

        def named(source: str) -> str:
            return addresses.get(source, source)

        mark, join = self.watermark, self.join
        joined = {"intro": named(join.intro), "append": tuple(map(named, join.append)), "outro": named(join.outro)}
        other = named(self.picture_in_picture.source)
        sound = named(self.sound.source) if self.sound.takes_other else ""
        return self.model_copy(
            update={
                "picture_in_picture": self.picture_in_picture.model_copy(update={"source": other}),
                "watermark": mark.model_copy(update={"source": text_picture or named(mark.source)}),
                "sound": self.sound.model_copy(update={"source": sound}),
                "join": join.model_copy(update=joined),
            }
        )


NO_EDITS = EditOptions()
