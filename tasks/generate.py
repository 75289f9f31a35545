"""The AI stage: which steps there are and in what order, and those of captions, chapters and the poster."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
from prefect import task

from data.domain.assets import Asset
from data.domain.costs import CostStep
from data.domain.errors import CorruptInputError
from data.domain.keys import step_key
from data.domain.model import DomainModel
from data.domain.publications import CaptionTrack, Chapter, GeneratedArtifacts, Package, PosterChoice
from data.domain.recipes import CaptionOptions, ChapterOptions, PosterOptions, Recipe
from data.settings import get_settings
from data.storage import ObjectStore
from tasks.analysis import analyze_asset
from tasks.artifacts import fetch_track, made_once, model_store, object_store
from tasks.media.captions import Transcript, build_cues, to_srt, to_webvtt
from tasks.media.chapters import chapters_from_shots
from tasks.media.frames import extract_frame
from tasks.media.languages import language_label, short_language
from tasks.media.tools import find_tools
from tasks.models.poster import PosterImage, choose_poster
from tasks.models.shots import detect_shots
from tasks.models.speech import TRANSLATED_LANGUAGE, transcribe, translate
from tasks.models.store import ModelStore
from tasks.models.versions import CAPTIONS_VERSION, CHAPTERS_VERSION, FACE_MODEL
from tasks.policies import TASK_POLICY, tool_limits
from tasks.progress import part_of_step, report_progress
from tasks.understanding import make_passages, moderate_asset, read_text
from tasks.workspace import run_id, workspace

_SPEECH_SHARE = 0.6
"""Share of the AI stage's progress that speech to text takes."""
_TRANSLATED = " (translated)"


class CaptionOutcome(DomainModel):
    """What captioning came to: tracks, what is said first and its translations after it, or why there are none."""

    tracks: tuple[CaptionTrack, ...] = ()
    note: str = ""


class ChapterOutcome(DomainModel):
    """The chapters of a video; none when it is too short for two."""

    chapters: tuple[Chapter, ...]


def generate_all(
    asset: Asset,
    package: Package,
    recipe: Recipe,
    run: Callable[..., Any] = lambda step, *inputs: step.fn(*inputs),
    on_progress: Callable[[float], None] = lambda share: None,
) -> GeneratedArtifacts:
    """Carry out the AI steps that a recipe asks for, one after the other.

    Args:
        asset: The asset.
        package: Its package of renditions.
        recipe: What to make.
        run: How to carry out a step: as a plain call for an item of a pack, as a task of its own in a flow.
        on_progress: Called with the share (0–1) of the stage that is done.
    """
    captions = run(caption_asset, asset, package, recipe.captions) if recipe.captions.enabled else CaptionOutcome()
    on_progress(_SPEECH_SHARE)
    transcript = captions.tracks[0].transcript_key if captions.tracks else None
    chapters = run(find_chapters, asset, package, recipe.chapters, transcript) if recipe.chapters.enabled else None
    poster = run(choose_poster_frame, asset, package, recipe.poster) if recipe.poster.faces else None
    on_progress(_SPEECH_SHARE + 0.05)
    moderation = run(moderate_asset, asset, package, recipe.moderation) if recipe.moderation.enabled else None
    on_progress(_SPEECH_SHARE + 0.1)
    text = run(read_text, asset, package, recipe.text).track if recipe.text.enabled else None
    passages = run(make_passages, asset, recipe.search, captions.tracks, text).file if recipe.has_words else None
    with part_of_step(_SPEECH_SHARE + 0.15, 1.0):
        analysis = run(analyze_asset, asset, package, recipe.analysis) if recipe.analysis.enabled else None
    return GeneratedArtifacts(
        captions=captions.tracks,
        chapters=chapters.chapters if chapters else (),
        poster=poster,
        moderation=moderation,
        text=text,
        passages=passages,
        analysis=analysis,
        notes=(captions.note,) if captions.note else (),
    )


@task(task_run_name="captions", **TASK_POLICY)
def caption_asset(asset: Asset, package: Package, options: CaptionOptions) -> CaptionOutcome:
    """Write down what is said: SRT, WebVTT with word times, and a transcript; and translations if they are asked for.

    No speech, no words.
    """
    sound = package.audio
    if sound is None:
        return CaptionOutcome(note="No captions: the video has no sound.")
    store = object_store()
    content = package.content_after(asset.sound_content)
    return caption_sound(
        asset, content, options, package.duration_seconds, lambda scratch: fetch_track(store, package, sound, scratch)
    )


def caption_sound(
    asset: Asset, content: str, options: CaptionOptions, duration: float, fetch: Callable[[Path], Path]
) -> CaptionOutcome:
    """Write down what is said in an asset's sound, unless that was done before.

    Args:
        asset: Whose sound it is.
        content: What decides the words that are heard.
        options: How it is written down.
        duration: Of the video, in seconds.
        fetch: Brings the sound into a directory, if it is needed, and returns its file.
    """
    store, models = object_store(), model_store()

    def make(prefix: str) -> CaptionOutcome:
        with workspace() as scratch:
            transcripts = _transcripts(fetch(scratch), models.path(options.model), options)
        tracks = tuple(
            _stored(transcript, options, duration, store, f"{prefix}{name}")
            for name, transcript in transcripts.items()
            if transcript.words
        )
        return CaptionOutcome(tracks=tracks, note="" if tracks else "No captions: no speech was found.")

    key = step_key(
        "captions",
        content,
        options.model_dump(mode="json"),
        f"{CAPTIONS_VERSION} {models.version(options.model)}",
    )
    return made_once(CaptionOutcome, asset, CostStep.CAPTIONS, options, key, make, duration)


def _transcripts(track: Path, model: Path, options: CaptionOptions) -> dict[str, Transcript]:
    """Return what is said and, where it is said in another language, what that is in English; by name of its files."""
    threads = get_settings().models.threads
    share = _SPEECH_SHARE / (2 if options.translate else 1)
    said = transcribe(
        track, model, language=options.language, threads=threads, on_progress=lambda done: report_progress(share * done)
    )
    if not options.translate or not said.words or said.language == TRANSLATED_LANGUAGE:
        return {"": said}
    translated = translate(
        track, model, said, threads=threads, on_progress=lambda done: report_progress(share * (1 + done))
    )
    return {"": said, "translated-": translated}


def _stored(
    transcript: Transcript, options: CaptionOptions, duration_seconds: float, store: ObjectStore, prefix: str
) -> CaptionTrack:
    """Store a transcript as caption files."""
    cues = build_cues(
        transcript.words, options.max_line_characters, options.max_lines, duration_seconds=duration_seconds
    )
    language = short_language(transcript.language)
    track = CaptionTrack(
        language=language,
        label=language_label(language) + (_TRANSLATED if transcript.is_translation else ""),
        vtt_key=f"{prefix}captions.vtt",
        srt_key=f"{prefix}captions.srt",
        transcript_key=f"{prefix}transcript.json",
        word_count=len(transcript.words),
        cue_count=len(cues),
        first_lines=tuple(" ".join(cue.lines) for cue in cues[:3]),
        model=transcript.model,
        is_translation=transcript.is_translation,
    )
    store.put_bytes(
        to_webvtt(cues, word_times=options.karaoke and not transcript.is_translation).encode(), track.vtt_key
    )
    store.put_bytes(to_srt(cues).encode(), track.srt_key)
    store.put_bytes(transcript.model_dump_json().encode(), track.transcript_key)
    return track


@task(task_run_name="chapters", **TASK_POLICY)
def find_chapters(
    asset: Asset, package: Package, options: ChapterOptions, transcript_key: str | None
) -> ChapterOutcome:
    """Divide the video at its shots; a chapter is named by the words that are said in it, where there are any."""
    store, lowest = object_store(), package.renditions[-1]

    def make(_: str) -> ChapterOutcome:
        with workspace() as scratch:
            shots = detect_shots(fetch_track(store, package, lowest, scratch))
        words = Transcript.model_validate_json(store.get_bytes(transcript_key)).words if transcript_key else ()
        chapters = chapters_from_shots(
            shots, package.duration_seconds, options.min_seconds, options.max_count, words=words
        )
        return ChapterOutcome(chapters=chapters if len(chapters) > 1 else ())

    key = step_key(
        "chapters",
        package.content_after(asset.content),
        {**options.model_dump(mode="json"), "words": transcript_key},
        CHAPTERS_VERSION,
    )
    return made_once(ChapterOutcome, asset, CostStep.CHAPTERS, options, key, make, package.duration_seconds)


@task(task_run_name="poster", **TASK_POLICY)
def choose_poster_frame(asset: Asset, package: Package, options: PosterOptions) -> PosterChoice:
    """Choose the frame that stands for the video: faces that are whole and sharp first, else the best picture."""
    models = model_store()

    def make(prefix: str) -> PosterChoice:
        with workspace() as scratch:
            return _poster(package, options, models, prefix, scratch)

    version = models.version(FACE_MODEL) if options.faces else "none"
    key = step_key("poster", package.key, options.model_dump(mode="json"), version)
    return made_once(PosterChoice, asset, CostStep.POSTER, options, key, make, package.duration_seconds)


def _poster(package: Package, options: PosterOptions, models: ModelStore, prefix: str, scratch: Path) -> PosterChoice:
    """Judge the candidates, and take the chosen frame at full size from the MP4."""
    store, media = object_store(), get_settings().media
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


def _read_image(path: Path) -> Any:
    """Return a picture as a BGR array of shape (height, width, 3), uint8."""
    image = cv2.imread(str(path))
    if image is None:
        raise CorruptInputError(f"{path.name} is not a picture.")
    return image
