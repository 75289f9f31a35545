"""What the steps hand on: the package of renditions, what AI made of it, and what is published."""

from datetime import datetime
from typing import Literal

from data.domain.analysis import AnalysisReport, PublishedAnalysis
from data.domain.assets import Preparation, SourceFacts
from data.domain.edits import Cut
from data.domain.findings import Decision, ModerationVerdict, PassagesFile, TextTrack
from data.domain.model import DomainModel
from data.domain.provenance import Provenance
from data.domain.targets import PublishTarget


class ToolVersions(DomainModel):
    """The programs that made an output; part of every cache key, since their bytes differ by version."""

    ffmpeg: str
    """Version and configuration of the encoder, for example ``9.0.2 (imageio-ffmpeg)``."""
    packager: str
    encoder_threads: int | None = None
    """Threads that the encode was granted, for the record; in no key, since the grant differs from run to run."""
    hardware_encoder: str | None = None
    """The machine's own encoder (``hevc_nvenc``), where a recipe let it be used and it was; ``None``: software."""

    def of_key(self) -> dict[str, str]:
        """Return what of it is part of keys."""
        hardware = {"hardware_encoder": self.hardware_encoder} if self.hardware_encoder else {}
        return {"ffmpeg": self.ffmpeg, "packager": self.packager, **hardware}


class Rendition(DomainModel):
    """One encoded rung inside a package."""

    name: str
    width: int
    height: int
    frame_rate: str
    size_bytes: int
    average_kbps: int
    frame_count: int
    codec: str
    """RFC 6381 codec string, for example ``avc1.64001f``."""
    media_prefix: str
    """Folder of its CMAF segments inside the package (``720p/``), which HLS and DASH share."""
    playlist_path: str
    crf: float | None = None
    """Quality on x264's scale that was found for ``target_vmaf``; ``None`` where the recipe names it itself."""
    predicted_vmaf: float | None = None
    """VMAF of the samples at that quality, at the rung's own size; less than the target where the bitrate cap holds."""
    is_copy: bool = False
    """The source's own pictures, not encoded again."""


class AudioRendition(DomainModel):
    """The encoded sound inside a package."""

    channels: int
    sample_rate_hz: int
    size_bytes: int
    average_kbps: int
    codec: str
    media_prefix: str
    playlist_path: str
    language: str | None = None


class SpriteSheet(DomainModel):
    """Scrubbing thumbnails: one picture of tiles and the WebVTT that maps times to them."""

    image_path: str
    vtt_path: str
    tile_width: int
    tile_height: int
    columns: int
    count: int
    interval_seconds: float


class SourceMeasures(DomainModel):
    """What the one decode measured of the source; the gate compares the candidate with it."""

    decoded_frames: int
    black_share: float
    """Share of the duration (0–1) in which the picture is black."""
    silence_share: float | None = None
    """Share of the duration (0–1) in which the sound is silent; ``None`` without sound."""
    loudness_lufs: float | None = None
    """Integrated loudness by ITU-R BS.1770; ``None`` without sound or when silent."""


class KeptPart(DomainModel):
    """Which part of a source a trim kept, by the source's own clock."""

    start_seconds: float
    end_seconds: float
    cut: Cut = "exact"
    """``keyframe``: it begins at a keyframe, perhaps earlier than was asked for."""


class EditRecord(DomainModel):
    """What the edits of a recipe made of a source, before the ladder."""

    digest: str
    """Of the edits and of all further files in them: together with the source's content it decides what is seen."""
    duration_seconds: float
    """How long the whole was to be; the gate holds the candidate against it."""
    notes: tuple[str, ...] = ()
    """What was done, in sentences for a person."""
    kept: KeptPart | None = None
    """``None`` where nothing was cut off, and in records from before that was told."""


class PosterCandidate(DomainModel):
    """A frame that could stand for the video, found good by sharpness, light and colour."""

    path: str
    """JPEG inside the package, at most 640 pixels on its long side."""
    at_seconds: float
    score: float
    """0–1, higher is better; by the picture alone, faces not looked for."""


class Package(DomainModel):
    """The outcome of transcode: a complete set of renditions under one prefix of the object store."""

    asset_id: str
    key: str
    """Cache key of the step: content + options + tool versions."""
    prefix: str
    """Where its files lie; every path below is relative to it."""
    duration_seconds: float
    renditions: tuple[Rendition, ...]
    """Highest first."""
    audio: AudioRendition | None
    mp4_path: str
    """Progressive MP4 with sound, index in front (faststart)."""
    poster_path: str
    poster_at_seconds: float
    poster_candidates: tuple[PosterCandidate, ...]
    """Best first, at most twelve, never empty."""
    sprite: SpriteSheet
    master_path: str = "master.m3u8"
    dash_path: str = "manifest.mpd"
    measures: SourceMeasures
    tools: ToolVersions
    files: dict[str, int]
    """Every file of the package with its size in bytes."""
    edit: EditRecord | None = None
    """``None`` where the recipe edits nothing."""
    preview_path: str | None = None
    """GIF or animated WebP; ``None`` where the recipe asks for none."""
    audio_path: str | None = None
    """The sound alone, to be downloaded; ``None`` without sound, or where the recipe asks for none."""
    notes: tuple[str, ...] = ()
    """How it was encoded, where that was not simply as the recipe says: sentences for a person."""

    def content_after(self, content: str) -> str:
        """Return what decides what is seen or heard in it, given what decides that of the source."""
        return f"{content}+{self.edit.digest}" if self.edit else content


class CaptionTrack(DomainModel):
    """Captions of one language in the object store."""

    language: str
    label: str
    vtt_key: str
    """WebVTT with word times (``<00:00:01.000>`` tags)."""
    srt_key: str
    transcript_key: str
    """Every word with its times and probability, as JSON."""
    word_count: int
    cue_count: int
    first_lines: tuple[str, ...] = ()
    model: str
    is_translation: bool = False
    """It says in another language what is said; its words have no times of their own."""


class PublishedCaptions(DomainModel):
    """Captions of one language as they are public; paths are relative to the publication's prefix."""

    language: str
    label: str
    vtt_path: str
    srt_path: str
    playlist_path: str
    word_count: int
    cue_count: int
    first_lines: tuple[str, ...]
    model: str
    is_translation: bool = False


class Chapter(DomainModel):
    """A stretch of the video with a title."""

    start_seconds: float
    end_seconds: float
    title: str


class PosterChoice(DomainModel):
    """The frame chosen to stand for the video."""

    key: str
    at_seconds: float
    width: int
    height: int
    face_count: int
    sharpness: float
    reason: str
    """Why this frame, in words for a person."""


class GeneratedArtifacts(DomainModel):
    """What AI made for one asset; empty parts were not asked for or had nothing to say."""

    captions: tuple[CaptionTrack, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    poster: PosterChoice | None = None
    moderation: ModerationVerdict | None = None
    text: TextTrack | None = None
    passages: PassagesFile | None = None
    analysis: AnalysisReport | None = None
    notes: tuple[str, ...] = ()
    """Sentences for a person: ``no speech was found``."""


class ItemToGenerate(DomainModel):
    """One item of a pack whose AI steps are to be run, by what is on record of it."""

    row: int
    asset_id: str
    package_key: str
    preparation: Preparation | None = None


class GeneratedItem(DomainModel):
    """What the AI steps of one item of a pack came to: artifacts, or a failure."""

    row: int
    artifacts: GeneratedArtifacts | None = None
    code: str | None = None
    """Dotted code of the failure; ``None`` with artifacts, or when the item was taken away meanwhile."""
    message: str = ""
    gpu_seconds: float = 0.0
    """How long it kept the GPU pool's slot."""


class GateCheck(DomainModel):
    """One thing that the publish gate looked at."""

    name: str
    outcome: Literal["passed", "warned", "refused"]
    detail: str


class GateReport(DomainModel):
    """What the publish gate found in a candidate."""

    checks: tuple[GateCheck, ...]

    @property
    def refusals(self) -> tuple[GateCheck, ...]:
        """The checks that forbid publication."""
        return tuple(check for check in self.checks if check.outcome == "refused")


class PublicationManifest(DomainModel):
    """What is public about an asset: the one small object that is written last.

    Paths in ``files`` are relative to ``prefix``; playlists inside refer to their neighbours by relative paths, so the
    whole prefix can be served from anywhere.
    """

    schema_version: Literal[1] = 1
    asset_id: str
    version: int
    """1 for the first publication of the asset, then counted up."""
    job_id: str
    recipe: str
    published_at: datetime
    title: str
    prefix: str
    content_key: str
    """Digest of what is published; the same again is not published twice."""
    source_sha256: str
    source: SourceFacts
    duration_seconds: float
    renditions: tuple[Rendition, ...]
    audio: AudioRendition | None
    captions: tuple[PublishedCaptions, ...]
    chapters: tuple[Chapter, ...]
    hls_path: str = "master.m3u8"
    dash_path: str = "manifest.mpd"
    mp4_path: str
    poster_path: str
    sprite: SpriteSheet
    preview_path: str | None = None
    """GIF or animated WebP; ``None`` when there is none."""
    audio_path: str | None = None
    """The sound alone, to be downloaded; ``None`` when there is none."""
    chapters_path: str | None = None
    """WebVTT chapter track; ``None`` when there are no chapters."""
    files: dict[str, int]
    """Every public file with its size in bytes."""
    gate: GateReport
    tools: ToolVersions
    notes: tuple[str, ...] = ()
    text_path: str | None = None
    """The text in the picture as JSON; ``None`` when there is none."""
    moderation: ModerationVerdict | None = None
    analysis: PublishedAnalysis | None = None
    """What was found in its picture and sound; ``None`` where nobody looked."""
    held_because: str = ""
    """Why a person has to decide before it becomes public; empty when nobody has to."""
    approval: Decision | None = None
    """Who let it become public although it was held."""
    targets: tuple[PublishTarget, ...] = ()
    """Who was to get a copy when it was made; who has one, the catalogue knows."""
    kept: KeptPart | None = None
    """Which part of the source it is; ``None`` where it is the whole."""
    provenance: Provenance | None = None
    """Where it came from and what was changed in it; ``None`` in publications from before that was told."""

    @property
    def awaits_review(self) -> bool:
        """Whether a person has yet to decide."""
        return bool(self.held_because) and self.approval is None


class Retraction(DomainModel):
    """What stands in the place of a publication manifest after a person took the publication down."""

    schema_version: Literal[1] = 1
    asset_id: str
    version: int
    """That was public last: numbers are never given twice."""
    retracted: Decision
