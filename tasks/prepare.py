"""The prepare stage: picture and sound themselves are changed, once, before anything is made of them."""

import secrets
from pathlib import Path

from prefect import task
from prefect.logging import get_run_logger

from data.database import open_database
from data.domain.assets import Asset, Preparation
from data.domain.costs import CostStep, cost_variants
from data.domain.keys import artifact_prefix
from data.domain.recipes import Recipe
from data.repositories import ArtifactRepository
from data.settings import get_settings
from data.storage import open_store
from tasks.costs import measured
from tasks.editing import Workbench, prepare_media, write_sound
from tasks.encode_slot import encode_slot
from tasks.generate import caption_sound
from tasks.media.captions import Transcript
from tasks.media.decoding import Clip
from tasks.media.kept_part import part_to_prepare
from tasks.media.probe import probe
from tasks.media.tools import find_tools
from tasks.models.store import ModelStore
from tasks.policies import TASK_POLICY, tool_limits
from tasks.preparation import RECORD, found_preparation, preparation_key
from tasks.progress import step_progress
from tasks.voice_over import SpokenText, speak
from tasks.workspace import job_id, run_id, workspace


@task(task_run_name="prepare", **TASK_POLICY)
def prepare_source(asset: Asset, recipe: Recipe) -> Asset:
    """Change picture and sound of an asset as a recipe asks, unless that was done before with the same models.

    The outcome is a mezzanine in the object store, nearly without loss; the asset, with it, goes on to the next steps.
    """
    settings = get_settings()
    media = settings.media
    store = open_store(settings.storage_url, **settings.storage_options)
    tools = find_tools(media.ffmpeg, media.ffprobe, media.packager)
    models = ModelStore(settings.models.directory, settings.models.auto_pull)
    key = preparation_key(asset, recipe, tools, models)
    prefix = artifact_prefix(asset.id, CostStep.PREPARE, key)
    variant = cost_variants(recipe)[CostStep.PREPARE]
    with step_progress("prepare") as progress, measured(CostStep.PREPARE, variant) as work:
        if (found := found_preparation(store, asset, key)) is not None:
            get_run_logger().info("Nothing to prepare: the same content and options were done before.")
            return found
        with workspace() as scratch:
            source = store.fetch(asset.source_key, scratch / "source")
            part = part_to_prepare(source, asset.facts, recipe, tools, scratch, tool_limits(media))
            clip = Clip(source, asset.facts, part.read) if part else Clip(source, asset.facts)
            bench = Workbench(
                scratch,
                tools,
                models,
                tool_limits(media).patient(clip.unseen_seconds),
                encode_slot=lambda: encode_slot(progress),
                on_progress=lambda share: progress.update(0.95 * share),
                run_id=run_id(),
                threads=settings.models.threads,
            )
            spoken = _spoken(recipe, clip, bench)
            transcript = _transcript(asset, recipe, clip, bench, spoken)
            target = scratch / "mezzanine.mp4"
            kept = recipe.edit.model_copy(update={"trim": part.asked}) if part else recipe.edit
            done = prepare_media(clip, recipe.model_copy(update={"edit": kept}), target, bench, transcript, spoken)
            facts = probe(target, tools, limits=tool_limits(media))
            media_key = f"{prefix}{secrets.token_hex(4)}.mp4"  # two attempts at the same work never mix their files
            store.put_file(target, media_key)
        preparation = Preparation(
            key=key,
            media_key=media_key,
            facts=facts,
            sound_content=key if spoken or (recipe.speech.clean_up and transcript is None) else _heard(asset, clip),
            part=part.prepared(clip, facts.duration_seconds) if part else None,
            notes=(*(part.notes if part else ()), *done.notes),
            actions=done.actions,
        )
        store.put_bytes(preparation.model_dump_json().encode(), f"{prefix}{RECORD}")
        with open_database(settings.catalogue_url).session() as session:
            details = preparation.model_dump(mode="json")
            artifacts = ArtifactRepository(session)
            artifacts.record(asset.id, CostStep.PREPARE, key, prefix=prefix, details=details, job_id=job_id())
        kept_seconds = part.kept_seconds if part else None
        work.done(asset, bytes_out=facts.size_bytes, media_seconds=kept_seconds)
    for note in preparation.notes:
        get_run_logger().info("%s", note)
    return asset.model_copy(update={"preparation": preparation})


def _spoken(recipe: Recipe, clip: Clip, bench: Workbench) -> SpokenText | None:
    """Return what a voice is to read over the video."""
    if not recipe.voice_over.text.strip():
        return None
    target = bench.scratch / "voice.wav"
    return speak(recipe.voice_over, bench.models, target, clip.facts.duration_seconds)


def _heard(asset: Asset, clip: Clip) -> str:
    """Return what decides the words that are heard in what is prepared."""
    if not clip.kept.is_wanted:
        return asset.sha256
    return f"{asset.sha256}@{clip.begins_at_seconds:.6f}-{clip.begins_at_seconds + clip.duration_seconds:.6f}"


def _transcript(
    asset: Asset, recipe: Recipe, clip: Clip, bench: Workbench, spoken: SpokenText | None
) -> Transcript | None:
    """Return what is said, where it is to be part of the picture; the captions step finds the same again.

    A voice over the video is what its captions show: those words are known.
    """
    if recipe.burn_in.style == "none":
        return None
    if spoken is not None:
        return spoken.transcript(clip.duration_seconds, clip.begins_at_seconds)
    if asset.facts.audio is None:
        return None

    def fetch(scratch: Path) -> Path:
        return write_sound(clip, scratch / "sound.wav", bench)

    outcome = caption_sound(asset, _heard(asset, clip), recipe.captions, clip.duration_seconds, fetch)
    if not outcome.tracks:
        return None
    settings = get_settings()
    store = open_store(settings.storage_url, **settings.storage_options)
    return Transcript.model_validate_json(store.get_bytes(outcome.tracks[0].transcript_key))
