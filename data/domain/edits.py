"""Edits: what a recipe does to picture and sound before the ladder, each operation a value of its own.

They are carried out in one fixed order, whatever the order in which they are written, inside the single encode:
trim · deinterlace · stabilise · crop · rotate · speed · canvas · picture-in-picture · watermark · own sound (mute,
replace, mix) · fades · joined with other clips (intro, further clips, outro) · loudness. So times of a trim are those
of the source, and a watermark, a fade and a picture-in-picture belong to the source's own part: an intro and an outro
stay as they are. Times are in seconds, places and sizes in shares (0–1) of the picture where no unit is named.
"""

from typing import Annotated, Literal

from pydantic import Field

from data.domain.model import DomainModel

Source = Annotated[str, Field(max_length=4096)]
"""A path below an allowed root, ``upload:<id>``, ``https://`` or ``s3://``, as of a job; empty: none."""
Corner = Literal["top_left", "top", "top_right", "left", "centre", "right", "bottom_left", "bottom", "bottom_right"]
Rgb = Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")]


class TrimOptions(DomainModel):
    """The part of the source that is kept, exact to the frame."""

    start_seconds: float = Field(default=0.0, ge=0)
    end_seconds: float | None = Field(default=None, gt=0)
    """``null``: to its end."""


class CropOptions(DomainModel):
    """A rectangle of the picture, in shares of it; the whole picture by default."""

    left: float = Field(default=0.0, ge=0, lt=1)
    top: float = Field(default=0.0, ge=0, lt=1)
    width: float = Field(default=1.0, gt=0, le=1)
    height: float = Field(default=1.0, gt=0, le=1)


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


class WatermarkOptions(DomainModel):
    """A picture or a text over the source's own part."""

    source: Source = ""
    """A PNG, JPEG or WebP."""
    text: str = Field(default="", max_length=200)
    """In place of a picture."""
    position: Corner = "bottom_right"
    size: float = Field(default=0.12, gt=0, le=1)
    """Of a picture its width as a share of the video's; of a text its height as a share of the shorter side."""
    margin: float = Field(default=0.03, ge=0, le=0.4)
    """Distance from the edges, as a share of the shorter side."""
    opacity: float = Field(default=0.8, gt=0, le=1)
    tiled: bool = False
    """All over the picture."""
    text_rgb: Rgb = "#FFFFFF"


class PictureInPictureOptions(DomainModel):
    """Another clip in a corner of the picture, without its sound; it ends with the shorter of the two."""

    source: Source = ""
    position: Corner = "top_right"
    size: float = Field(default=0.3, gt=0, le=1)
    """Its width as a share of the video's."""
    margin: float = Field(default=0.03, ge=0, le=0.4)
    start_seconds: float = Field(default=0.0, ge=0)


class JoinOptions(DomainModel):
    """Clips before and after the source's own part, fitted to its size and rate."""

    intro: Source = ""
    outro: Source = ""
    append: tuple[Source, ...] = Field(default=(), max_length=50)
    """Further clips between the source's own part and the outro, in this order."""
    cross_fade_seconds: float = Field(default=0.0, ge=0, le=5)
    """0: hard cuts. Picture and sound of both overlap for so long."""


class OwnSoundOptions(DomainModel):
    """What becomes of the sound of the source's own part."""

    mode: Literal["keep", "mute", "replace", "mix"] = "keep"
    source: Source = ""
    """Sound for ``replace`` and ``mix``: a sound file, or a video's sound. It is cut, or ends in silence."""
    volume_db: float = Field(default=0.0, ge=-60, le=20)
    """Of that sound."""
    loop: bool = False
    """Begin it again until the video ends."""


class FadeOptions(DomainModel):
    """From and to black and silence, at both ends of the source's own part."""

    in_seconds: float = Field(default=0.0, ge=0, le=10)
    out_seconds: float = Field(default=0.0, ge=0, le=10)


class LoudnessOptions(DomainModel):
    """How loud the whole is, by EBU R 128: measured first, then set with one gain where the peaks allow."""

    target_lufs: float | None = Field(default=None, ge=-36, le=-5)
    """``null``: as it is. -14 for most platforms, -23 for European broadcast."""
    true_peak_dbtp: float = Field(default=-1.0, ge=-9, le=0)


class EditOptions(DomainModel):
    """Every edit of a recipe; by default none."""

    trim: TrimOptions = TrimOptions()
    deinterlace: Literal["auto", "always", "never"] = "auto"
    """``auto`` follows what probing found."""
    stabilise: bool = False
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
        return self == EditOptions()

    @property
    def sources(self) -> tuple[str, ...]:
        """Everything else that has to be fetched, each once, in the order in which it is named here."""
        named = (
            self.picture_in_picture.source,
            self.watermark.source,
            self.sound.source if self.sound.mode in ("replace", "mix") else "",
            self.join.intro,
            *self.join.append,
            self.join.outro,
        )
        return tuple(dict.fromkeys(filter(None, named)))
