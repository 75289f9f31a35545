"""Copies of what was published at the targets that a recipe names, and upkeep of them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from prefect import task
from prefect.client.orchestration import get_client
from prefect.logging import get_run_logger
from sqlalchemy.orm import Session

from data.copies import check_place, may_be_sent, postpone, withdraw_due
from data.copying import make_copy
from data.database import Database, open_database
from data.domain.copies import CopyState, TargetCopy, copy_of
from data.domain.errors import DailiesError
from data.domain.publications import PublicationManifest
from data.domain.recipes import Recipe
from data.domain.targets import PublishTarget, TargetRules
from data.repositories import CopyRepository, FulfilmentRepository, PublicationRepository
from data.settings import get_settings
from data.storage import ObjectStore, open_store
from tasks.reconcile.attempts import retry_rules
from tasks.reconcile.copies import is_job_at_work
from tasks.workspace import job_id, workspace


def check_targets(recipe: Recipe) -> Recipe:
    """Return a recipe if copies may be put where it wants them: known before any work, not after the encode.

    Raises:
        TargetForbiddenError: One of its targets is not allowed.
    """
    TargetRules(**get_settings().target_options).check(recipe.publish.targets)
    return recipe


def open_target(url: str) -> ObjectStore:
    """Return the store at a target's address.

    Raises:
        TargetUnavailableError: It is a folder that is not there.
    """
    check_place(url)
    return open_store(url, **get_settings().options_at(url))


def want_copies(
    session: Session, manifest: PublicationManifest, targets: Sequence[PublishTarget]
) -> tuple[TargetCopy, ...]:
    """Note, with what else is recorded of a version, which targets are to have it; return what is still to be made."""
    wanted = [copy_of(manifest, target, job_id()) for target in targets]
    copies = CopyRepository(session)
    copies.want(wanted)
    standing = [copies.find(copy) for copy in wanted]
    return tuple(copy for copy in standing if copy is not None and copy.state is not CopyState.THERE)


def copy_to_targets(
    store: ObjectStore,
    database: Database,
    manifest: PublicationManifest,
    copies: Sequence[TargetCopy],
    scratch: Path,
    on_share: Callable[[float], None],
) -> int:
    """Bring copies to their targets, each whatever becomes of the others; return how many bytes were sent.

    Raises:
        DailiesError: A target did not get its copy: the failure of one, one that a retry may help first.
    """
    failures: list[DailiesError] = []
    sent = 0
    for number, copy in enumerate(copies):

        def tell(share: float, done: int = number) -> None:
            on_share((done + share) / len(copies))

        try:
            sent += make_copy(store, database, open_target(copy.target.url), copy, manifest, scratch, tell)
        except DailiesError as error:
            failures.append(error)
            with database.session() as session:
                CopyRepository(session).failed(copy, error.message, None)
            get_run_logger().warning("Target %s: %s", copy.target.name, error)
        else:
            _tell(database, copy)
    if failures:
        raise min(failures, key=lambda error: not error.retryable)
    return sent


def _tell(database: Database, copy: TargetCopy) -> None:
    """Log what became of a copy that did not fail: it may have been overtaken, or taken down, meanwhile."""
    with database.session() as session:
        found = CopyRepository(session).find(copy)
    is_there = found is not None and found.state in (CopyState.THERE, CopyState.SUPERSEDED)
    said = "is at" if is_there else "is not wanted any more, and was taken away from"
    get_run_logger().info("Version %d %s the target %s.", copy.version, said, copy.target.name)


@task(task_run_name="update copies")
def bring_up_to_date() -> list[str]:
    """Take away copies that are to go, and make those of versions that a person let become public.

    What fails is tried again later, by another run: each time later than before.
    """
    settings = get_settings()
    store, database = (
        open_store(settings.storage_url, **settings.storage_options),
        open_database(settings.catalogue_url),
    )
    rules = retry_rules(settings.orchestration.crash_attempts)
    with get_client(sync_client=True) as client:

        def is_sending(copy: TargetCopy) -> bool:
            return may_be_sent(copy) and is_job_at_work(client, copy.job_id, rules, datetime.now(UTC))

        done = withdraw_due(database, open_target, is_sending=is_sending)
    with database.session() as session:
        due = CopyRepository(session).due(datetime.now(UTC))
    for copy in (each for each in due if each.state is CopyState.WANTED):
        try:
            TargetRules(**settings.target_options).check([copy.target])
            _make(store, database, copy)
        except DailiesError as error:
            postpone(database, copy, error)
        else:
            done.append(f"{copy.asset_id} version {copy.version} to {copy.target.name}")
    for each in done:
        get_run_logger().info("%s", each)
    return done


def _make(store: ObjectStore, database: Database, copy: TargetCopy) -> None:
    """Make a copy that no job makes, and note what is fulfilled by it."""
    with database.session() as session:
        manifest = PublicationRepository(session).find(copy.asset_id, copy.version)
        if manifest is None:  # taken down, or superseded long ago
            CopyRepository(session).withdraw(copy)
            return
    with workspace() as scratch:
        make_copy(store, database, open_target(copy.target.url), copy, manifest, scratch)
    if copy.work_key is None:
        return
    with database.session() as session:
        copies = CopyRepository(session)
        left = [each for each in copies.of_asset(copy.asset_id) if each.version == copy.version]
        if all(each.state is CopyState.THERE for each in left):
            FulfilmentRepository(session).record(copy.asset_id, copy.work_key, copy.version)
