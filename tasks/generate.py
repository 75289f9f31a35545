"""The AI stage: captions, chapters and the poster, each found again by its content and options."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import cv2
from prefect import task
from prefect.logging import get_run_logger

from data.database import open_database
from data.domain.assets import Asset
from data.domain.costs import CostStep
from data.domain.errors import CorruptInputError
from data.domain.keys import artifact_prefix, options_digest, step_key
from data.domain.model import DomainModel
from data.domain.publications import (
    AudioRendition,
    CaptionTrack,
    Chapter,
    GeneratedArtifacts,
    Package,
    PosterChoice,
    Rendition,
)
from data.domain.recipes import CaptionOptions, ChapterOptions, PosterOptions, Recipe
from data.repositories import ArtifactRepository
from data.settings import get_settings
from data.storage import ObjectStore, open_store
from tasks.costs import measured
from tasks.last_use import note_use
from tasks.media.captions import Transcript, build_cues, to_srt, to_webvtt
from tasks.media.chapters import chapters_from_shots
from tasks.media.frames import extract_frame
from tasks.media.languages import language_label
from tasks.media.packaging import join_segments
from tasks.media.tools import find_tools
from tasks.models.poster import PosterImage, choose_poster
from tasks.models.shots import detect_shots
from tasks.models.speech import transcribe
from tasks.models.store import ModelStore
from tasks.models.versions import CAPTIONS_VERSION, CHAPTERS_VERSION, FACE_MODEL
from tasks.policies import TASK_POLICY, tool_limits
from tasks.progress import report_progress
from tasks.workspace import job_id, run_id, workspace

_RECORD = "record.json"
_SPEECH_SHARE = 0.8
"""Share of the AI stage's progress that speech to text takes."""

Made = TypeVar("Made", bound=DomainModel)


class CaptionOutcome(DomainModel):
    """What captioning came to: a track, or the reason why there is none."""

    track: CaptionTrack | None
    note: str = ""


class ChapterOutcome(DomainModel):
    """The chapters of a video; none when it is too short for two."""

    chapters: tuple[Chapter, ...]


@task(task_run_name="captions", **TASK_POLICY)
def caption_asset(asset: Asset, package: Package, options: CaptionOptions) -> CaptionOutcome:
    """Write down what is said: SRT, WebVTT with word times, and a transcript. No speech, no words."""
    sound = package.audio
    if sound is None:
        return CaptionOutcome(track=None, note="No captions: the video has no sound.")
    return caption_sound(
        asset, options, package.duration_seconds, lambda scratch: _fetch_track(_store(), package, sound, scratch)
    )


def caption_sound(
    asset: Asset, options: CaptionOptions, duration: float, fetch: Callable[[Path], Path]
) -> CaptionOutcome:
    """Write down what is said in an asset's sound, unless that was done before.

    Args:
        asset: Whose sound it is.
        options: How it is written down.
        duration: Of the video, in seconds.
        fetch: Brings the sound into a directory, if it is needed, and returns its file.
    """
    settings, store, models = get_settings(), _store(), _models()

    def make(prefix: str) -> CaptionOutcome:
        with workspace() as scratch:
            transcript = transcribe(
                fetch(scratch),
                models.path(options.model),
                language=options.language,
                threads=settings.models.threads,
                on_progress=lambda share: report_progress(_SPEECH_SHARE * share),
            )
        return _captions(transcript, options, duration, store, prefix)

    key = step_key(
        "captions",
        asset.sound_content,
        options.model_dump(mode="json"),
        f"{CAPTIONS_VERSION} {models.version(options.model)}",
    )
    return _made_once(CaptionOutcome, asset, CostStep.CAPTIONS, options, key, make)


def generate_all(asset: Asset, package: Package, recipe: Recipe) -> GeneratedArtifacts:
    """Carry out the AI steps one after the other, as plain calls: for an item of a pack."""
    captions = caption_asset.fn(asset, package, recipe.captions) if recipe.captions.enabled else None
    transcript = captions.track.transcript_key if captions and captions.track else None
    chapters = find_chapters.fn(asset, package, recipe.chapters, transcript) if recipe.chapters.enabled else None
    poster = choose_poster_frame.fn(asset, package, recipe.poster) if recipe.poster.faces else None
    return gathered(captions, chapters, poster)


def gathered(
    captions: CaptionOutcome | None, chapters: ChapterOutcome | None, poster: PosterChoice | None
) -> GeneratedArtifacts:
    """Return what the AI steps came to as one."""
    return GeneratedArtifacts(
        captions=(captions.track,) if captions and captions.track else (),
        chapters=chapters.chapters if chapters else (),
        poster=poster,
        notes=(captions.note,) if captions and captions.note else (),
    )


def _captions(
    transcript: Transcript, options: CaptionOptions, duration_seconds: float, store: ObjectStore, prefix: str
) -> CaptionOutcome:
    """Store a transcript as caption files; say so when nothing was said."""
    cues = build_cues(
        transcript.words, options.max_line_characters, options.max_lines, duration_seconds=duration_seconds
    )
    if not cues:
        return CaptionOutcome(track=None, note="No captions: no speech was found.")
    track = CaptionTrack(
        language=transcript.language,
        label=language_label(transcript.language),
        vtt_key=f"{prefix}captions.vtt",
        srt_key=f"{prefix}captions.srt",
        transcript_key=f"{prefix}transcript.json",
        word_count=len(transcript.words),
        cue_count=len(cues),
        first_lines=tuple(" ".join(cue.lines) for cue in cues[:3]),
        model=transcript.model,
    )
    store.put_bytes(to_webvtt(cues).encode(), track.vtt_key)
    store.put_bytes(to_srt(cues).encode(), track.srt_key)
    store.put_bytes(transcript.model_dump_json().encode(), track.transcript_key)
    return CaptionOutcome(track=track)


@task(task_run_name="chapters", **TASK_POLICY)
def find_chapters(
    asset: Asset, package: Package, options: ChapterOptions, transcript_key: str | None
) -> ChapterOutcome:
    """Divide the video at its shots; a chapter is named by the words that are said in it, where there are any."""
    store, lowest = _store(), package.renditions[-1]

    def make(_: str) -> ChapterOutcome:
        with workspace() as scratch:
            shots = detect_shots(_fetch_track(store, package, lowest, scratch))
        words = Transcript.model_validate_json(store.get_bytes(transcript_key)).words if transcript_key else ()
        chapters = chapters_from_shots(
            shots, package.duration_seconds, options.min_seconds, options.max_count, words=words
        )
        return ChapterOutcome(chapters=chapters if len(chapters) > 1 else ())

    key = step_key(
        "chapters", asset.content, {**options.model_dump(mode="json"), "words": transcript_key}, CHAPTERS_VERSION
    )
    return _made_once(ChapterOutcome, asset, CostStep.CHAPTERS, options, key, make)


@task(task_run_name="poster", **TASK_POLICY)
def choose_poster_frame(asset: Asset, package: Package, options: PosterOptions) -> PosterChoice:
    """Choose the frame that stands for the video: faces that are whole and sharp first, else the best picture."""
    models = _models()

    def make(prefix: str) -> PosterChoice:
        with workspace() as scratch:
            return _poster(package, options, models, prefix, scratch)

    version = models.version(FACE_MODEL) if options.faces else "none"
    key = step_key("poster", package.key, options.model_dump(mode="json"), version)
    return _made_once(PosterChoice, asset, CostStep.POSTER, options, key, make)


def _poster(package: Package, options: PosterOptions, models: ModelStore, prefix: str, scratch: Path) -> PosterChoice:
    """Judge the candidates, and take the chosen frame at full size from the MP4."""
    store, media = _store(), get_settings().media
    candidates = [
        PosterImage(
            image_bgr=_read_image(store.fetch(package.prefix + found.path, scratch / Path(found.path).name)),
            at_seconds=found.at_seconds,
            score=found.score,
        )
        for found in package.poster_candidates
    ]
    verdict = choose_poster(candidates, models.path(FACE_MODEL) if options.faces else None)
    is_named = options.at_seconds is not None
    at_seconds = options.at_seconds if options.at_seconds is not None else candidates[verdict.index].at_seconds
    frame = scratch / "poster.jpg"
    extract_frame(
        store.fetch(package.prefix + package.mp4_path, scratch / "video.mp4"),
        at_seconds,
        frame,
        find_tools(media.ffmpeg, media.ffprobe, media.packager),
        log_path=scratch / "poster.log",
        limits=tool_limits(media),
        run_id=run_id(),
    )
    height, width = _read_image(frame).shape[:2]
    store.put_file(frame, f"{prefix}poster.jpg")
    return PosterChoice(
        key=f"{prefix}poster.jpg",
        at_seconds=at_seconds,
        width=width,
        height=height,
        face_count=verdict.face_count,
        sharpness=verdict.sharpness,
        reason="The recipe names this time." if is_named else verdict.reason,
    )


def _fetch_track(store: ObjectStore, package: Package, track: Rendition | AudioRendition, scratch: Path) -> Path:
    """Bring one track of a package into the workspace as a single file."""
    for path in (track.playlist_path, *(path for path in package.files if path.startswith(track.media_prefix))):
        store.fetch(package.prefix + path, scratch / path)
    return join_segments(scratch, track.playlist_path, scratch / "track.mp4")


def _read_image(path: Path) -> Any:
    """Return a picture as a BGR array of shape (height, width, 3), uint8."""
    image = cv2.imread(str(path))
    if image is None:
        raise CorruptInputError(f"{path.name} is not a picture.")
    return image


def _store() -> ObjectStore:
    settings = get_settings()
    return open_store(settings.storage_url, **settings.storage_options)


def _models() -> ModelStore:
    models = get_settings().models
    return ModelStore(models.directory, models.auto_pull)


def _made_once(
    kind: type[Made], asset: Asset, step: CostStep, options: DomainModel, key: str, make: Callable[[str], Made]
) -> Made:
    """Return what was made before for the same content and options, else make it; its record is written last."""
    store, prefix = _store(), artifact_prefix(asset.id, step, key)
    if record := store.stat(prefix + _RECORD):
        note_use(store, record)
        get_run_logger().info("Nothing to do for %s: the same content and options were done before.", step)
        return kind.model_validate_json(store.get_bytes(prefix + _RECORD))
    with measured(step, options_digest(options.model_dump(mode="json"))) as work:
        made = make(prefix)
        work.done(asset)
    store.put_bytes(made.model_dump_json().encode(), prefix + _RECORD)
    with open_database(get_settings().catalogue_url).session() as session:
        details = made.model_dump(mode="json")
        ArtifactRepository(session).record(asset.id, step, key, prefix=prefix, details=details, job_id=job_id())
    return made
