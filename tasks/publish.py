"""The publish stage: check the candidate itself, write it under a new version, and only then say that it is public."""

import logging
from pathlib import Path

from prefect import task
from prefect.logging import get_run_logger

from data.database import open_database
from data.domain.assets import Asset
from data.domain.costs import CostStep, cost_variants
from data.domain.keys import work_key
from data.domain.publications import GateReport, GeneratedArtifacts, Package, PublicationManifest
from data.domain.recipes import Recipe
from data.repositories import FulfilmentRepository, PublicationRepository
from data.settings import get_settings
from data.storage import open_store
from tasks.costs import measured
from tasks.media.checks import check_candidate
from tasks.media.tools import find_tools
from tasks.models.store import ModelStore
from tasks.models.versions import made_with
from tasks.packed import packed_job
from tasks.policies import TASK_POLICY, tool_limits
from tasks.progress import step_progress
from tasks.publication import (
    assemble_candidate,
    current_publication,
    draft_manifest,
    is_whole,
    refuse_unfit,
    release,
)
from tasks.workspace import job_id, run_id, workspace


@task(task_run_name="publish", **TASK_POLICY)
def publish_asset(
    asset: Asset, package: Package, artifacts: GeneratedArtifacts, recipe: Recipe, title: str
) -> PublicationManifest:
    """Check the complete candidate, write it under a new version, and switch to it in one step.

    The publication manifest is written last, by compare-and-swap. A candidate that the gate refuses, or a failure at
    any line before, leaves the last publication as it was.
    """
    settings = get_settings()
    store = open_store(settings.storage_url, **settings.storage_options)
    variant = cost_variants(recipe)[CostStep.PUBLISH]
    with workspace() as scratch, step_progress("publish") as progress, measured(CostStep.PUBLISH, variant) as work:
        current, etag = current_publication(store, asset.id)
        version = current.version + 1 if current else 1
        manifest = draft_manifest(asset, package, artifacts, recipe, title, version, job_id())
        if current and current.content_key == manifest.content_key and is_whole(store, current):
            get_run_logger().info("Nothing to publish: version %d says the same already.", current.version)
            manifest = current
        else:
            candidate = assemble_candidate(scratch / "candidate", store, package, artifacts)
            progress.update(0.2)
            gate = _checked(candidate, asset, package, recipe, scratch)
            progress.update(0.7)
            manifest = release(store, candidate, package, manifest.model_copy(update={"gate": gate}), etag)
            get_run_logger().info("Published asset %s as version %d.", asset.id, version)
            work.done(asset, bytes_out=sum(manifest.files.values()))
        with open_database(settings.catalogue_url).session() as session:
            PublicationRepository(session).record(manifest)
            FulfilmentRepository(session).record(asset.id, _work_key(asset, recipe, title), manifest.version)
    return manifest


def _work_key(asset: Asset, recipe: Recipe, title: str) -> str:
    """Return the key under which a plan will find that this was done."""
    settings = get_settings()
    tools = find_tools(settings.media.ffmpeg, settings.media.ffprobe, settings.media.packager)
    models = ModelStore(settings.models.directory, settings.models.auto_pull)
    return work_key(asset.id, recipe.digest(), title, made_with(recipe, tools, models))


def _checked(candidate: Path, asset: Asset, package: Package, recipe: Recipe, scratch: Path) -> GateReport:
    """Let the gate look at the candidate, and say in the log what it found."""
    media = get_settings().media
    gate = check_candidate(
        candidate,
        package,
        asset.media_facts,
        recipe.gate,
        tools=find_tools(media.ffmpeg, media.ffprobe, media.packager),
        scratch=scratch,
        limits=tool_limits(media),
        run_id=run_id(),
    )
    for check in gate.checks:
        # Of an item of a pack only what is out of the ordinary: the lines of thousands would hide it.
        level = logging.DEBUG if packed_job() and check.outcome == "passed" else logging.INFO
        get_run_logger().log(level, "Gate: %s %s: %s", check.name, check.outcome, check.detail)
    refuse_unfit(gate)
    return gate
