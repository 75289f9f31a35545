"""The publish stage: check the candidate itself, write it under a new version, and only then say that it is public."""

import logging
from collections.abc import Sequence
from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed

from data.database import Database, open_database
from data.domain.assets import Asset
from data.domain.copies import TargetCopy, files_of
from data.domain.costs import CostStep, cost_variants
from data.domain.errors import ReviewRejectedError
from data.domain.jobs import REVIEW_STATE
from data.domain.keys import work_key
from data.domain.passages import Passages
from data.domain.provenance import Provenance
from data.domain.publications import GateReport, GeneratedArtifacts, Package, PublicationManifest
from data.domain.recipes import Recipe
from data.domain.targets import PublishTarget
from data.publishing import Standing, is_whole, standing
from data.repositories import (
    CandidateRepository,
    FulfilmentRepository,
    GenerationRepository,
    PublicationRepository,
)
from data.search.index import put_in
from data.settings import get_settings
from data.storage import ObjectStore, open_store
from tasks.copies import copy_to_targets, want_copies
from tasks.costs import measured
from tasks.media.checks import check_candidate
from tasks.media.tools import find_tools
from tasks.models.store import ModelStore
from tasks.models.versions import made_with, model_agent
from tasks.packed import packed_job
from tasks.policies import TASK_POLICY, tool_limits
from tasks.progress import StepProgress, step_progress
from tasks.provenance import provenance_of
from tasks.publication import (
    annotated_path,
    assemble_candidate,
    draft_manifest,
    refuse_unfit,
    release,
    why_held,
)
from tasks.signing import claimed_source, sign_candidate, signing_identity, to_be_signed
from tasks.workspace import job_id, run_id, workspace


@task(task_run_name="publish", **TASK_POLICY)
def publish_asset(
    asset: Asset, package: Package, artifacts: GeneratedArtifacts, recipe: Recipe, title: str
) -> PublicationManifest:
    """Check the complete candidate, write it under a new version, and switch to it in one step.

    The publication manifest is written last, by compare-and-swap. A candidate that the gate refuses, or a failure at
    any line before, leaves the last publication as it was. So does one that a person has to decide about: it is made
    and written whole, and waits.

    Then the recipe's targets get their copies. The publication stands whatever they do: where one does not take its
    copy, the step fails and says which, and another try sends what is not there yet.
    """
    settings = get_settings()
    store, database = (
        open_store(settings.storage_url, **settings.storage_options),
        open_database(settings.catalogue_url),
    )
    key = _work_key(asset, recipe, title)
    with workspace() as scratch, step_progress("publish") as progress:
        manifest, now = _publish(store, database, asset, package, artifacts, recipe, title, scratch, progress)
        is_overtaken = now.manifest is not None and manifest.version < now.manifest.version
        targets = () if is_overtaken else recipe.publish.targets
        copies = _record(store, database, manifest, artifacts, key, targets)
        _tell(manifest, is_new=manifest.job_id == job_id())
        if copies:
            _copy(store, database, manifest, copies, asset, recipe, scratch, progress)
            with database.session() as session:
                FulfilmentRepository(session).record(asset.id, key, manifest.version)
    return manifest


def _publish(
    store: ObjectStore,
    database: Database,
    asset: Asset,
    package: Package,
    artifacts: GeneratedArtifacts,
    recipe: Recipe,
    title: str,
    scratch: Path,
    progress: StepProgress,
) -> tuple[PublicationManifest, Standing]:
    """Make a version and switch to it, or find that it was made; return it, and how the asset stood before."""
    settings = get_settings()
    with measured(CostStep.PUBLISH, cost_variants(recipe)[CostStep.PUBLISH]) as work:
        now, identity = standing(store, asset.id), signing_identity(settings)
        known = _provenance(database, asset, package, artifacts, recipe)
        said = to_be_signed(known, package, identity, annotated_path(artifacts))
        draft = draft_manifest(asset, package, artifacts, recipe, title, now.next_version, job_id(), said)
        held = why_held(artifacts, now, recipe)
        draft = draft.model_copy(update={"held_because": held, "targets": recipe.publish.targets})
        manifest = _made_before(store, database, now, draft)
        if manifest is None:
            candidate = assemble_candidate(scratch / "candidate", store, package, artifacts)
            progress.update(0.2)
            signed: dict[str, int] = {}
            if identity is not None:
                source = claimed_source(asset, store, said, is_private=recipe.anonymise.enabled)
                signed = sign_candidate(candidate, draft, identity, source, scratch)
            # What is signed is looked at as it is then: only its size is not the package's any more.
            sizes = {path: signed.get(path, size) for path, size in package.files.items()}
            expected = package.model_copy(update={"files": sizes})
            gate = _checked(candidate, asset, expected, recipe, scratch)
            progress.update(0.7)
            manifest = release(store, candidate, package, draft.model_copy(update={"gate": gate}), now.etag)
            work.done(asset, sum(manifest.files.values()), package.duration_seconds)
    return manifest, now


def _copy(
    store: ObjectStore,
    database: Database,
    manifest: PublicationManifest,
    copies: Sequence[TargetCopy],
    asset: Asset,
    recipe: Recipe,
    scratch: Path,
    progress: StepProgress,
) -> None:
    """Bring copies of what is public to their targets."""
    with measured(CostStep.COPY, cost_variants(recipe)[CostStep.COPY]) as work:
        progress.update(0.8)
        copy_to_targets(store, database, manifest, copies, scratch, lambda share: progress.update(0.8 + 0.2 * share))
        size_bytes = sum(sum(files_of(manifest, copy.target.parts).values()) for copy in copies)
        work.done(asset, size_bytes, manifest.duration_seconds)


def _provenance(
    database: Database, asset: Asset, package: Package, artifacts: GeneratedArtifacts, recipe: Recipe
) -> Provenance:
    """Return what is on record about how a publication was made."""
    settings = get_settings()
    models = ModelStore(settings.models.directory, settings.models.auto_pull)
    with database.session() as session:
        made = GenerationRepository(session).of_result(asset.sha256)
    return provenance_of(asset, package, artifacts, made, lambda name: model_agent(name, models), recipe.edit)


def outcome(manifest: PublicationManifest) -> PublicationManifest | State[PublicationManifest]:
    """Return what a run ends with: a version that waits for a person is told by the name of the run's state."""
    if not manifest.awaits_review:
        return manifest
    return Completed(name=REVIEW_STATE, message=manifest.held_because, data=manifest)


def _made_before(
    store: ObjectStore, database: Database, now: Standing, draft: PublicationManifest
) -> PublicationManifest | None:
    """Return the version that says the same already: what is public, what waits, or what this job made public before.

    The last is for a try after a target's failure: what others published meanwhile is not to be undone by it.

    Raises:
        ReviewRejectedError: A person does not want that published.
    """
    if now.manifest and now.manifest.content_key == draft.content_key and is_whole(store, now.manifest):
        return now.manifest
    if not draft.awaits_review:
        return _overtaken(database, now, draft)
    with database.session() as session:
        candidates = CandidateRepository(session)
        waiting = candidates.waiting(draft.asset_id)
        rejected = candidates.rejected(draft.asset_id, draft.content_key)
    if rejected is not None:
        because = f": {rejected.decision}" if rejected.decision else "."
        raise ReviewRejectedError(
            f"{rejected.decided_by} decided that this is not to be published{because}", {"job_id": rejected.job_id}
        )
    is_same = waiting is not None and waiting.manifest.content_key == draft.content_key
    if waiting and is_same and waiting.manifest.targets == draft.targets and is_whole(store, waiting.manifest):
        return waiting.manifest
    return None


def _overtaken(database: Database, now: Standing, draft: PublicationManifest) -> PublicationManifest | None:
    """Return what this very job made public before, if a later version is public now."""
    if now.manifest is None:
        return None
    with database.session() as session:
        own = PublicationRepository(session).of_job(draft.job_id)
    is_own = own is not None and (own.asset_id, own.content_key) == (draft.asset_id, draft.content_key)
    return own if is_own and own is not None and own.version < now.manifest.version else None


def _record(
    store: ObjectStore,
    database: Database,
    manifest: PublicationManifest,
    artifacts: GeneratedArtifacts,
    key: str,
    targets: Sequence[PublishTarget],
) -> tuple[TargetCopy, ...]:
    """Record what became public, or waits, and put its words into the search index.

    Returns:
        The copies that targets are still to get: what was asked for is fulfilled when they have.
    """
    found = artifacts.passages
    passages = Passages.model_validate_json(store.get_bytes(found.key)) if found else None
    with database.session() as session:
        candidates = CandidateRepository(session)
        if manifest.awaits_review:
            known = candidates.waiting(manifest.asset_id)
            if known is None or known.manifest != manifest:
                candidates.wait(manifest, key, manifest.held_because)
                put_in(session, manifest, passages)
            return ()
        candidates.supersede(manifest.asset_id)
        if PublicationRepository(session).record(manifest):
            put_in(session, manifest, passages)
        copies = want_copies(session, manifest, targets)
        if not copies:
            FulfilmentRepository(session).record(manifest.asset_id, key, manifest.version)
    return copies


def _tell(manifest: PublicationManifest, *, is_new: bool) -> None:
    logger = get_run_logger()
    if manifest.awaits_review:
        logger.warning("Not published, a person has to decide: %s", manifest.held_because)
    elif is_new:
        logger.info("Published asset %s as version %d.", manifest.asset_id, manifest.version)
    else:
        logger.info("Nothing to publish: version %d says the same already.", manifest.version)


def _work_key(asset: Asset, recipe: Recipe, title: str) -> str:
    """Return the key under which a plan will find that this was done."""
    settings = get_settings()
    tools = find_tools(settings.media.ffmpeg, settings.media.ffprobe, settings.media.packager)
    models = ModelStore(settings.models.directory, settings.models.auto_pull)
    return work_key(asset.id, recipe.digest(), title, made_with(recipe, tools, models, settings.models.detectors))


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
