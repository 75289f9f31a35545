"""Recipes: what to do to an asset, as data: versioned, validated, and the source of the steps' cache keys."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cache
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from data.domain.analysis import AnalysisOptions
from data.domain.edits import EditOptions
from data.domain.errors import RecipeForBatchesError, RecipeInvalidError
from data.domain.generations import GenerationOptions
from data.domain.ladders import Ladder, RenditionSpec
from data.domain.model import DomainModel
from data.domain.targets import PublishOptions

IDENTITY = frozenset({"name", "version", "description"})
"""Fields that say which recipe it is, not what to do: never inherited, never overridden, in no key."""
Codec = Literal["h264", "hevc", "av1", "vp9"]
Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"]

_FIXED = IDENTITY | {"rehearsal"}
_PREPARATIONS = frozenset({"reframe", "anonymise", "upscale", "speech", "voice_over", "burn_in"})
"""Sections that change picture or sound themselves, before the ladder."""

DEFAULT_LADDER = Ladder(
    rungs=(
        RenditionSpec(name="1080p", short_side=1080, max_kbps=6000),
        RenditionSpec(name="720p", short_side=720, max_kbps=3000),
        RenditionSpec(name="480p", short_side=480, max_kbps=1400),
        RenditionSpec(name="240p", short_side=240, max_kbps=400),
    )
)


_LATER_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "video": {"encoder": "software", "target_vmaf": None, "copy_conforming": False},
    "audio": {"rendition": "none"},
    "preview": {"format": "none"},
    "anonymise": {"other_clips": "refuse"},
}
"""Options that were added to sections of older recipes, each with the value that changes nothing."""


class VideoOptions(DomainModel):
    """How pictures are encoded."""

    ladder: Ladder = DEFAULT_LADDER
    codec: Codec = "h264"
    """H.264 plays everywhere. The others need fewer bits and newer players, for the MP4 too: it is a copy of a rung."""
    encoder: Literal["software", "auto"] = "software"
    """``auto`` takes the machine's own encoder if a trial of it succeeds: faster, at more bits for the same."""
    preset: Preset = "veryfast"
    """How much work an encoder does, in x264's words; the others have settings of about the same standing."""
    crf: float = Field(default=23, ge=10, le=45)
    """Quality on x264's scale, whatever the codec (less is better); each rung's ``max_kbps`` caps it."""
    target_vmaf: float | None = Field(default=None, ge=50, le=99)
    """Quality by VMAF: ``crf`` is then where trials on short samples begin; ``max_kbps`` caps each rung still."""
    copy_conforming: bool = False
    """Take a source that already is what its highest rung asks for as that rung, not encoded again.

    Not by default: such a rung takes what bits the source does, up to the cap, where an encode would do with less; and
    how well its maker's encoder kept to the rules, only the players of the viewers will tell.
    """
    segment_seconds: float = Field(default=4.0, ge=1, le=20)
    max_frame_rate: float = Field(default=60, ge=1, le=120)


class AudioOptions(DomainModel):
    """How sound is encoded."""

    kbps: int = Field(default=128, ge=32, le=512)
    """Bitrate of the stereo rendition, and of the file below."""
    rendition: Literal["none", "m4a", "mp3", "opus"] = "none"
    """The sound alone, as a file to be downloaded; ``m4a`` is the rendition's own AAC."""


class PreviewOptions(DomainModel):
    """A few seconds that move in place of a poster, where no video can play."""

    format: Literal["none", "gif", "webp"] = "none"
    seconds: float = Field(default=3.0, ge=0.5, le=10)
    width: int = Field(default=320, ge=64, le=640)
    """Of landscape video, in pixels; portrait video gets this as its height. Less where the file would be too large."""
    fps: float = Field(default=10.0, ge=1, le=25)


class ThumbnailOptions(DomainModel):
    """The sprite that scrubbing shows, and the candidates for the poster."""

    width: int = Field(default=160, ge=64, le=480)
    """Width in pixels of one tile for landscape video; portrait tiles get this as their height."""
    max_count: int = Field(default=100, ge=1, le=400)
    min_interval_seconds: float = Field(default=1.0, ge=0.04)


class CaptionOptions(DomainModel):
    """Speech to text."""

    enabled: bool = True
    model: str = "whisper-base"
    language: str | None = Field(default=None, pattern=r"^[a-z]{2,3}$")
    """ISO 639 code of the speech; ``null`` lets the model tell."""
    translate: tuple[Literal["en"], ...] = ()
    """Languages of further tracks; the model translates into English only. What is said in it already is not."""
    karaoke: bool = True
    """WebVTT tells when each word is said, for players that show it; translations never do."""
    max_line_characters: int = Field(default=42, ge=16, le=80)
    max_lines: int = Field(default=2, ge=1, le=4)


class ChapterOptions(DomainModel):
    """Chapters from shot detection."""

    enabled: bool = True
    min_seconds: float = Field(default=10.0, ge=1)
    """No chapter is shorter than this; shots are joined until it is reached."""
    max_count: int = Field(default=20, ge=1, le=200)


class PosterOptions(DomainModel):
    """Which frame stands for the video."""

    faces: bool = True
    """Prefer frames with faces in them (a local model looks); else sharpness and light alone decide."""
    at_seconds: float | None = Field(default=None, ge=0)
    """Take the frame at this time instead of choosing one."""


class ModerationOptions(DomainModel):
    """A look at whether the picture is fit for all eyes; a person decides what it finds, nothing is deleted."""

    enabled: bool = False
    threshold: float = Field(default=0.5, gt=0, le=1)
    """From this score of any frame on, the video waits for a person before it becomes public."""
    fps: float = Field(default=1.0, ge=0.05, le=10)
    """Frames a second that are looked at; of a long video fewer, so that there are at most ``max_frames``."""
    max_frames: int = Field(default=2000, ge=1, le=20_000)


class TextOptions(DomainModel):
    """Text in the picture: titles, captions burnt in, signs."""

    enabled: bool = False
    interval_seconds: float = Field(default=4.0, ge=0.5, le=120)
    """A picture that changes slowly is read this often; one that changes at once is read when it does."""
    min_confidence: float = Field(default=0.75, ge=0, le=1)


class SearchOptions(DomainModel):
    """What is said and shown is put into the search index."""

    enabled: bool = True


class GateOptions(DomainModel):
    """What a candidate must be before it is published."""

    max_duration_drift_seconds: float = Field(default=0.5, ge=0.05)
    refuse_black: bool = True
    """Refuse a candidate that is black throughout although its source is not."""
    refuse_silence: bool = True
    """Refuse a candidate that is silent although its source is not."""


class ReframeOptions(DomainModel):
    """Another shape of picture, cut out around what matters in it."""

    enabled: bool = False
    aspect_ratio: str = Field(default="9:16", pattern=r"^[1-9]\d?:[1-9]\d?$")
    """Width to height. What is cut out is as large as the picture allows; nothing is enlarged."""

    @property
    def ratio(self) -> Fraction:
        """Width divided by height."""
        width, height = self.aspect_ratio.split(":")
        return Fraction(int(width), int(height))


class AnonymiseOptions(DomainModel):
    """Faces that nobody can recognise."""

    enabled: bool = False
    method: Literal["blur", "pixelate"] = "blur"
    """How it looks; of either face the same few dozen averaged, coarsened colours are left."""
    margin: float = Field(default=0.1, ge=0, le=1)
    """How far around a face, as a share of its size."""
    hold_seconds: float = Field(default=0.5, ge=0, le=5)
    """A face stays hidden so long before it is first found and after it is last found, within its shot."""
    other_clips: Literal["refuse", "show"] = "refuse"
    """Faces are hidden in the source alone. Where ``edit`` joins other clips to it, or shows one in its picture, such a
    recipe is refused, unless they may be ``show``n as they are."""


class UpscaleOptions(DomainModel):
    """More pixels, by a model: for small or short clips, since it is slow."""

    enabled: bool = False
    target_short_side: int = Field(default=720, ge=144, le=2160)
    """Pixels of the shorter side afterwards; a larger picture is left as it is."""
    max_seconds: float = Field(default=900, ge=1)
    """Refuse what would take longer than this, as estimated by a trial on the machine that is to do it."""


class SpeechOptions(DomainModel):
    """The sound of speech."""

    clean_up: bool = False
    """Take noise out of speech, by a model. Music is noise to it."""
    max_reduction_db: float = Field(default=40, ge=3, le=100)
    """Noise is made quieter by at most this; less sounds more natural, 100 takes all of it."""


class VoiceOverOptions(DomainModel):
    """A voice that reads a text over the video."""

    text: str = Field(default="", max_length=20_000)
    """What it reads, in English; empty: nobody does. It has to end before the video does."""
    voice: str = Field(default="af_heart", pattern=r"^[a-z0-9_]{1,40}$")
    speech_rate: float = Field(default=1.0, ge=0.5, le=2.0)
    start_seconds: float = Field(default=0.0, ge=0)
    """When it begins."""
    duck_ratio: float = Field(default=8.0, ge=1, le=20)
    """How far the video's own sound steps back meanwhile; 1 leaves it as loud as it is."""


class BurnInOptions(DomainModel):
    """Captions as part of the picture."""

    style: Literal["none", "plain", "karaoke"] = "none"
    """``karaoke`` lights each word as it is spoken."""
    size: float = Field(default=0.055, ge=0.02, le=0.2)
    """Height of a line, as a share of the picture's shorter side."""
    bottom: float = Field(default=0.08, ge=0, le=0.9)
    """Distance from the bottom, as a share of the picture's height."""
    text_rgb: str = Field(default="#FFFFFF", pattern=r"^#[0-9A-Fa-f]{6}$")
    spoken_rgb: str = Field(default="#FFD23F", pattern=r"^#[0-9A-Fa-f]{6}$")
    """Colour of what has been spoken, in karaoke."""


class Recipe(DomainModel):
    """What to do to an asset."""

    name: str = Field(default="default", pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    version: int = Field(default=1, ge=1)
    description: str = ""
    rehearsal: bool = False
    """A simulation: rows are checked, planned, fed and accounted for, and no media work is done at all."""
    video: VideoOptions = VideoOptions()
    audio: AudioOptions = AudioOptions()
    thumbnails: ThumbnailOptions = ThumbnailOptions()
    preview: PreviewOptions = PreviewOptions()
    captions: CaptionOptions = CaptionOptions()
    chapters: ChapterOptions = ChapterOptions()
    poster: PosterOptions = PosterOptions()
    moderation: ModerationOptions = ModerationOptions()
    text: TextOptions = TextOptions()
    search: SearchOptions = SearchOptions()
    analysis: AnalysisOptions = AnalysisOptions()
    gate: GateOptions = GateOptions()
    reframe: ReframeOptions = ReframeOptions()
    anonymise: AnonymiseOptions = AnonymiseOptions()
    upscale: UpscaleOptions = UpscaleOptions()
    speech: SpeechOptions = SpeechOptions()
    voice_over: VoiceOverOptions = VoiceOverOptions()
    burn_in: BurnInOptions = BurnInOptions()
    edit: EditOptions = EditOptions()
    publish: PublishOptions = PublishOptions()
    generation: GenerationOptions = GenerationOptions()
    """How a video is made from a prompt or a script, where there is no source."""

    @model_validator(mode="after")
    def _hides_every_face(self) -> Self:
        clips = [each.field for each in self.edit.inputs if each.kind == "clip"]
        if self.anonymise.enabled and self.anonymise.other_clips == "refuse" and clips:
            raise ValueError(
                f"anonymise hides faces in the source, not in {', '.join(clips)}: leave these out, hide the faces in "
                "them first and hand in what is published of that, or allow them as they are by "
                "anonymise.other_clips: show"
            )
        return self

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Validate a recipe from plain data.

        Raises:
            RecipeInvalidError: Names every field that is wrong and why.
        """
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False)]
            raise RecipeInvalidError(
                f"The recipe does not validate: {'; '.join(problems)}", {"problems": problems}
            ) from error

    def with_overrides(self, overrides: Mapping[str, Any]) -> Self:
        """Return the recipe with fields replaced by dotted name (``{"captions.language": "en"}``).

        Raises:
            RecipeInvalidError: A name does not exist or a value is not taken.
        """
        if not overrides:
            return self
        raw = self.model_dump(mode="json")
        for name, value in overrides.items():
            _set_dotted(raw, name, value)
        return self.parse(raw)

    def for_one_asset(self) -> Self:
        """Return the recipe if there is something that it makes of an asset.

        Raises:
            RecipeForBatchesError: It only rehearses.
        """
        if self.rehearsal:
            raise RecipeForBatchesError(
                f"The recipe {self.name!r} is a rehearsal for batches: it encodes and publishes nothing. "
                "Choose another one for a single source.",
                {"recipe": self.name},
            )
        return self

    @property
    def has_ai_steps(self) -> bool:
        """Whether there is anything for the AI stage to do."""
        asked = (self.captions, self.chapters, self.moderation, self.text, self.analysis)
        return any(options.enabled for options in asked) or self.poster.faces

    @property
    def has_words(self) -> bool:
        """Whether there are words to be searched: what is said, or what is shown."""
        return self.search.enabled and (self.captions.enabled or self.text.enabled)

    @property
    def has_preparation(self) -> bool:
        """Whether picture or sound are to be changed before anything else is made of them."""
        return bool(self._preparations)

    @property
    def _preparations(self) -> frozenset[str]:
        """The sections that ask for a change of picture or sound."""
        wanted = {
            "reframe": self.reframe.enabled,
            "anonymise": self.anonymise.enabled,
            "upscale": self.upscale.enabled,
            "speech": self.speech.clean_up,
            "voice_over": bool(self.voice_over.text.strip()),
            "burn_in": self.burn_in.style != "none",
        }
        return frozenset(name for name, is_wanted in wanted.items() if is_wanted)

    def preparation_options(self) -> dict[str, Any]:
        """The part of the recipe that the prepare step depends on, for its cache key; empty without one."""
        sections = set(self._preparations) | ({"captions"} if "burn_in" in self._preparations else set())
        options = self.model_dump(mode="json", include=sections)
        options.get("anonymise", {}).pop("other_clips", None)  # of them nothing is prepared
        options.get("captions", {}).pop("enabled", None)  # captions that are seen in the picture need no track beside
        if sections and self.edit.trim.is_wanted:  # no more is prepared than is kept
            options["trim"] = self.edit.of_keys()["trim"]
        return options

    def digest(self) -> str:
        """Return 24 hex digits of sha256 over what the recipe does; recipes that do the same share it."""
        unused = _PREPARATIONS - self._preparations  # so that recipes without them stay what they were
        if self.edit.is_empty:
            unused |= {"edit"}
        unused |= frozenset() if self.analysis.enabled else {"analysis"}
        unused |= {"publish"} if self.publish.is_empty else frozenset()
        raw = self.model_dump(mode="json", exclude={*IDENTITY, "generation", *unused})
        text = json.dumps(self._of_keys(raw), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def transcode_options(self) -> dict[str, Any]:
        """The part of the recipe that the transcode step depends on, for its cache key."""
        edit = set() if self.edit.is_empty else {"edit"}
        return self._of_keys(self.model_dump(mode="json", include={"video", "audio", "thumbnails", "preview", *edit}))

    @property
    def wants_copy(self) -> bool:
        """Whether the source's own pictures are to be the highest rung, if they are what it asks for."""
        if self.has_preparation:
            return False
        if self.edit.effective.trim.cut == "keyframe":
            return not self.edit.changes_pictures
        return self.video.copy_conforming and self.edit.is_empty

    def _of_keys(self, options: dict[str, Any]) -> dict[str, Any]:
        """Take out what is in no key: edits that do nothing, and what recipes once could not say and do not."""
        if "edit" in options:
            options["edit"] = self.edit.of_keys()
        return _without_later_defaults(options)


def _without_later_defaults(options: dict[str, Any]) -> dict[str, Any]:
    """Take out what recipes once could not say and do not: their keys and digests stay what they were."""
    for section, default in _LATER_OPTIONS.items():
        if section not in options:
            continue
        said = options[section]
        options[section] = {name: said[name] for name in said if name not in default or said[name] != default[name]}
    if options["preview"].get("format") is None:  # the rest means nothing without a format
        del options["preview"]
    return options


@cache
def override_names() -> tuple[str, ...]:
    """Return every name that an override may have (``video``, ``video.crf`` …), parents before their children."""
    return tuple(_names(Recipe().model_dump(mode="json", exclude=set(_FIXED))))


def value_at(recipe: Recipe, name: str) -> Any:
    """Return what stands under a dotted name, as a plain JSON value."""
    value: Any = recipe.model_dump(mode="json")
    for part in name.split("."):
        value = value[part]
    return value


def _names(raw: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in raw.items():
        yield prefix + name
        if isinstance(value, dict) and name != "ladder":  # a ladder is replaced whole
            yield from _names(value, f"{prefix}{name}.")


def _set_dotted(raw: dict[str, Any], name: str, value: Any) -> None:
    *parents, leaf = name.split(".")
    target: Any = raw
    for parent in parents:
        target = target.get(parent) if isinstance(target, dict) else None
    if not isinstance(target, dict) or leaf not in target or name in _FIXED:
        raise RecipeInvalidError(f"A recipe has no field {name!r} to override.", {"field": name})
    target[leaf] = value
