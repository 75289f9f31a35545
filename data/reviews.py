"""What a person decides about publications: let a candidate become public, reject it, or take down what is public.

Each can be asked twice: the second time finds it done and answers alike. The store's manifest is the truth; where a
process dies between it and the catalogue, the same call again completes the rest, and so does upkeep
(:func:`complete`), because what is about to be told to the store is noted before.
"""

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from data.database import Database
from data.domain.assets import Asset
from data.domain.candidates import Candidate, CandidateState
from data.domain.copies import copy_of
from data.domain.errors import IllegalMoveError, NotFoundError, ObjectMissingError
from data.domain.findings import Decision
from data.domain.publications import PublicationManifest, Retraction
from data.publishing import Standing, is_whole, standing, switch
from data.repositories import (
    AssetRepository,
    CandidateRepository,
    CopyRepository,
    FulfilmentRepository,
    PassageRepository,
    PendingDecisionRepository,
    PublicationRepository,
)
from data.storage import ObjectStore


def approve(
    store: ObjectStore, database: Database, asset_id: str, decision: Decision, job_id: str | None = None
) -> PublicationManifest:
    """Make the candidate of an asset public under a new version.

    Args:
        store: Where it lies.
        database: The catalogue.
        asset_id: Whose candidate.
        decision: Who wants that, and why.
        job_id: Of the job that made the candidate which the person has looked at; another one is not published.

    Raises:
        NotFoundError: The asset has no candidate.
        IllegalMoveError: It does not wait any more, or is another one.
        ObjectMissingError: Files of it are gone.
        PublicationConflictError: Something else was published at the same time.
    """
    candidate = _chosen(database, asset_id, job_id)
    now = standing(store, asset_id)
    if candidate.state is CandidateState.APPROVED and _is_out(now, candidate):
        assert now.manifest is not None
        return now.manifest
    if candidate.state is not CandidateState.WAITING:
        raise _illegal(candidate, "published")
    if not is_whole(store, candidate.manifest):
        raise ObjectMissingError("Files of the candidate are gone from the store: run its job again.")
    begun = _begin(database, asset_id)
    with database.session() as session:
        # The row is locked from here on, so that of two decisions one counts. What is done meanwhile is one small
        # write to the store: when that fails, the candidate still waits.
        if not CandidateRepository(session).decide(candidate, CandidateState.APPROVED, decision):
            raise _illegal(candidate, "published")
        manifest = _published(store, now, candidate, decision)
        PublicationRepository(session).record(manifest)
        if manifest.targets:  # upkeep makes the copies; what was asked for is fulfilled when they are there
            due = {"work_key": candidate.work_key, "due_at": decision.at}
            copies = (copy_of(manifest, target, candidate.job_id) for target in manifest.targets)
            CopyRepository(session).want(copy.model_copy(update=due) for copy in copies)
        else:
            FulfilmentRepository(session).record(asset_id, candidate.work_key, manifest.version)
        PassageRepository(session).make_public(asset_id, manifest.prefix)
        PendingDecisionRepository(session).end(begun)
    return manifest


def reject(database: Database, asset_id: str, decision: Decision, job_id: str | None = None) -> Candidate:
    """Decide that the candidate of an asset does not become public; its files go with the next clean-ups.

    Raises:
        NotFoundError: The asset has no candidate.
        IllegalMoveError: It was published or superseded, or is another one.
    """
    candidate = _chosen(database, asset_id, job_id)
    if candidate.state is CandidateState.REJECTED:
        return candidate
    with database.session() as session:
        if not CandidateRepository(session).decide(candidate, CandidateState.REJECTED, decision):
            raise _illegal(candidate, "rejected")
        PassageRepository(session).remove(asset_id, prefix=candidate.manifest.prefix)
    return _chosen(database, asset_id, candidate.job_id)


def take_down(
    store: ObjectStore, database: Database, asset_id: str, decision: Decision, version: int | None = None
) -> Retraction:
    """Make nothing public about an asset any more. The files go with the next clean-ups, copies at targets at once.

    That the copies are to go is noted here; :func:`data.copies.withdraw_due` takes them away.

    Args:
        store: Where the publication lies.
        database: The catalogue.
        asset_id: What to take down.
        decision: Who wants that, and why.
        version: That the person has looked at; another one stays.

    Raises:
        NotFoundError: Nothing was ever public about it.
        IllegalMoveError: Another version is public.
        PublicationConflictError: Something was published at the same time.
    """
    now = standing(store, asset_id)
    said = now.manifest or now.retraction
    if said is None:
        raise NotFoundError(f"Nothing is public about asset {asset_id}.", {"asset_id": asset_id})
    if version is not None and said.version != version:
        message = f"Version {said.version} is public, not {version}."
        raise IllegalMoveError(message, {"version": said.version, "allowed": []})
    retraction = now.retraction or Retraction(asset_id=asset_id, version=said.version, retracted=decision)
    begun = [] if now.retraction else [_begin(database, asset_id)]
    if now.retraction is None:
        switch(store, retraction, now.etag)
    with database.session() as session:
        _record_retraction(session, asset_id)
        PendingDecisionRepository(session).end(*begun)
    return retraction


def complete(store: ObjectStore, database: Database, asset_id: str) -> bool:
    """Have the catalogue know of the last decision about an asset what the store knows, if it does not.

    For decisions whose process died in between, or did not hear whether the store had taken them.

    Returns:
        Whether there was something to be done.

    Raises:
        DailiesError: It could not be done; another try may help.
    """
    now = standing(store, asset_id)
    if now.retraction is not None:
        with database.session() as session:
            return _record_retraction(session, asset_id)
    with database.session() as session:
        candidate = CandidateRepository(session).waiting(asset_id)
    if candidate is None or now.manifest is None or not _is_out(now, candidate) or now.manifest.approval is None:
        return False
    approve(store, database, asset_id, now.manifest.approval, candidate.job_id)
    return True


def forget_asset(store: ObjectStore, database: Database, asset: Asset, by: str, owner: str | None) -> None:
    """Delete an asset: what is public is taken down, then its records go, then its files.

    The note that it was taken down stays, so that no version number is ever given twice. Where a process dies in
    between, nothing is public any more, and the clean-ups find the rest.

    Args:
        store: Where its files lie.
        database: The catalogue.
        asset: No job works on it.
        by: Who wants that.
        owner: For whom alone it is deleted, if others have it too; ``None`` deletes it for all.
    """
    if owner is not None:
        with database.session() as session:
            if AssetRepository(session).disown(asset.id, owner):
                return
    if standing(store, asset.id).manifest is not None:
        take_down(store, database, asset.id, Decision(by=by, at=datetime.now(UTC), reason="The asset was deleted."))
    with database.session() as session:
        AssetRepository(session).forget(asset.id)
        CopyRepository(session).withdraw_all(asset.id)
    store.delete(asset.source_key)
    for prefix in (f"packages/{asset.id}", f"artifacts/{asset.id}"):
        store.delete_tree(prefix)
    for prefix in sorted(
        {"/".join(stored.key.split("/", 3)[:3]) for stored in store.list(f"publications/{asset.id}/v")}
    ):
        store.delete_tree(prefix)


def _begin(database: Database, asset_id: str) -> str:
    """Note, before the store is told something about an asset, that the catalogue is to be told it, too."""
    with database.session() as session:
        return PendingDecisionRepository(session).begin(asset_id)


def _record_retraction(session: Session, asset_id: str) -> bool:
    """Have the catalogue know that nothing is public about an asset; say whether it did not."""
    versions = PublicationRepository(session).retract(asset_id)
    PassageRepository(session).remove(asset_id)
    return versions + CopyRepository(session).withdraw_all(asset_id) > 0


def _chosen(database: Database, asset_id: str, job_id: str | None) -> Candidate:
    with database.session() as session:
        candidate = CandidateRepository(session).latest(asset_id)
    if candidate is None:
        raise NotFoundError(f"Nothing waits of asset {asset_id}.", {"asset_id": asset_id})
    if job_id is not None and candidate.job_id != job_id:
        message = f"The candidate is that of job {candidate.job_id} now."
        raise IllegalMoveError(message, {"job_id": candidate.job_id, "allowed": []})
    return candidate


def _published(store: ObjectStore, now: Standing, candidate: Candidate, decision: Decision) -> PublicationManifest:
    if now.manifest is not None and _is_out(now, candidate):
        return now.manifest  # an earlier call came so far, and no further
    decided = {"version": now.next_version, "published_at": decision.at, "approval": decision}
    manifest = candidate.manifest.model_copy(update=decided)
    switch(store, manifest, now.etag)
    return manifest


def _is_out(now: Standing, candidate: Candidate) -> bool:
    return now.manifest is not None and now.manifest.prefix == candidate.manifest.prefix


def _illegal(candidate: Candidate, what: str) -> IllegalMoveError:
    return IllegalMoveError(
        f"The candidate of job {candidate.job_id} cannot be {what}: it does not wait any more.",
        {"state": candidate.state.value, "allowed": []},
    )
