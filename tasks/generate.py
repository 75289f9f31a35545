"""The AI stage: captions, chapters and the poster, each found again by its content and options."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import cv2
from prefect import task
from prefect.logging import get_run_logger

from data.domain.assets import Asset
from data.domain.keys import artifact_prefix, step_key
from data.domain.model import DomainModel
from data.domain.publications import CaptionTrack, Chapter, Package, PosterChoice
from data.domain.recipes import CaptionOptions, ChapterOptions, PosterOptions
from data.settings import Settings, get_settings
from data.storage import ObjectStore, open_store
from tasks.media.captions import Transcript, build_cues, to_srt, to_webvtt
from tasks.media.chapters import chapters_from_shots
from tasks.media.frames import extract_frame
from tasks.media.languages import language_label
from tasks.media.tools import find_tools
from tasks.models.poster import PosterImage, choose_poster
from tasks.models.shots import detect_shots
from tasks.models.speech import transcribe
from tasks.models.store import ModelStore
from tasks.policies import TASK_POLICY, tool_limits
from tasks.progress import report_progress
from tasks.workspace import job_id, workspace

FACE_MODEL = "centerface"
_RECORD = "record.json"

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
    if package.audio is None:
        return CaptionOutcome(track=None, note="No captions: the video has no sound.")
    settings = get_settings()
    store = open_store(settings.storage_url, **settings.storage_options)
    models = ModelStore(settings.models.directory, settings.models.auto_pull)
    key = step_key("captions", asset.sha256, options.model_dump(mode="json"), models.version(options.model))

    def make(prefix: str) -> CaptionOutcome:
        with workspace() as scratch:
            audio = store.fetch(package.prefix + package.audio.media_path, scratch / "audio.mp4")  # type: ignore[union-attr]
            transcript = transcribe(
                audio,
                models.path(options.model),
                language=options.language,
                threads=settings.models.threads,
                on_progress=lambda share: report_progress(0.8 * share),
            )
        return _captions(transcript, options, package.duration_seconds, store, prefix)

    return _made_once(store, CaptionOutcome, artifact_prefix(asset.id, "captions", key), make)


def _captions(
    transcript: Transcript, options: CaptionOptions, duration_seconds: float, store: ObjectStore, prefix: str
) -> CaptionOutcome:
    """Store a transcript as caption files; say so when nothing was said."""
    cues = build_cues(
        transcript.words,
        max_line_characters=options.max_line_characters,
        max_lines=options.max_lines,
        duration_seconds=duration_seconds,
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
        first_lines=tuple(" ".join(cue.text.split()) for cue in cues[:3]),
        model=transcript.model,
    )
    store.put_bytes(to_webvtt(cues).encode(), track.vtt_key, "text/vtt")
    store.put_bytes(to_srt(cues).encode(), track.srt_key, "application/x-subrip")
    store.put_bytes(transcript.model_dump_json().encode(), track.transcript_key, "application/json")
    return CaptionOutcome(track=track)


@task(task_run_name="chapters", **TASK_POLICY)
def find_chapters(
    asset: Asset, package: Package, options: ChapterOptions, transcript_key: str | None
) -> ChapterOutcome:
    """Divide the video at its shots; a chapter is named by the words that are said in it, where there are any."""
    settings = get_settings()
    store = open_store(settings.storage_url, **settings.storage_options)
    key = step_key("chapters", asset.sha256, {**options.model_dump(mode="json"), "words": transcript_key}, "shots-1")

    def make(_: str) -> ChapterOutcome:
        lowest = package.renditions[-1]
        with workspace() as scratch:
            shots = detect_shots(store.fetch(package.prefix + lowest.media_path, scratch / "lowest.mp4"))
        words = Transcript.model_validate_json(store.get_bytes(transcript_key)).words if transcript_key else ()
        chapters = chapters_from_shots(
            shots,
            duration_seconds=package.duration_seconds,
            min_seconds=options.min_seconds,
            max_count=options.max_count,
            words=words,
        )
        return ChapterOutcome(chapters=chapters if len(chapters) > 1 else ())

    return _made_once(store, ChapterOutcome, artifact_prefix(asset.id, "chapters", key), make)


@task(task_run_name="poster", **TASK_POLICY)
def choose_poster_frame(asset: Asset, package: Package, options: PosterOptions) -> PosterChoice:
    """Choose the frame that stands for the video: faces that are whole and sharp first, else the best picture."""
    settings = get_settings()
    store = open_store(settings.storage_url, **settings.storage_options)
    models = ModelStore(settings.models.directory, settings.models.auto_pull)
    version = models.version(FACE_MODEL) if options.faces else "none"
    key = step_key("poster", package.key, options.model_dump(mode="json"), version)

    def make(prefix: str) -> PosterChoice:
        with workspace() as scratch:
            return _poster(package, options, models, store, settings, prefix, scratch)

    return _made_once(store, PosterChoice, artifact_prefix(asset.id, "poster", key), make)


def _poster(
    package: Package,
    options: PosterOptions,
    models: ModelStore,
    store: ObjectStore,
    settings: Settings,
    prefix: str,
    scratch: Path,
) -> PosterChoice:
    """Judge the candidates and take the chosen frame at full size from the MP4."""
    candidates = [
        PosterImage(
            image_bgr=cv2.imread(str(store.fetch(package.prefix + found.path, scratch / Path(found.path).name))),
            at_seconds=found.at_seconds,
            score=found.score,
        )
        for found in package.poster_candidates
    ]
    verdict = choose_poster(candidates, models.path(FACE_MODEL) if options.faces else None)
    at_seconds = candidates[verdict.index].at_seconds if options.at_seconds is None else options.at_seconds
    media = settings.media
    frame = extract_frame(
        store.fetch(package.prefix + package.mp4_path, scratch / "video.mp4"),
        min(at_seconds, package.duration_seconds),
        scratch / "poster.jpg",
        tools=find_tools(media.ffmpeg, media.ffprobe, media.packager),
        limits=tool_limits(media),
        run_id=job_id(),
    )
    image_height, image_width = cv2.imread(str(frame)).shape[:2]
    store.put_file(frame, f"{prefix}poster.jpg", "image/jpeg")
    return PosterChoice(
        key=f"{prefix}poster.jpg",
        at_seconds=at_seconds,
        width=image_width,
        height=image_height,
        face_count=verdict.face_count,
        sharpness=verdict.sharpness,
        reason=verdict.reason if options.at_seconds is None else "The recipe names this time.",
    )


def _made_once(store: ObjectStore, kind: type[Made], prefix: str, make: Callable[[str], Made]) -> Made:
    """Return what was made before for the same content and options, else make it; its record is written last."""
    if store.stat(prefix + _RECORD) is not None:
        get_run_logger().info("Nothing to do: %s has it already.", prefix)
        return kind.model_validate_json(store.get_bytes(prefix + _RECORD))
    made = make(prefix)
    store.put_bytes(made.model_dump_json().encode(), prefix + _RECORD, "application/json")
    return made
