"""Upkeep of copies at publish targets: what is to go is taken away, or tried again later, and what is old is found.

:mod:`data.copying` makes and removes single copies.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data.copying import clear_away, take_away
from data.database import Database
from data.domain.copies import CopyState, TargetCopy
from data.domain.errors import DailiesError, TargetUnavailableError
from data.domain.targets import FILE_SCHEME
from data.repositories import CopyRepository
from data.storage import ObjectStore

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)
LONGEST_LOOK = timedelta(minutes=15)
"""A copy that a job may still be sending is looked after at least so often."""

OpenTarget = Callable[[str], ObjectStore]
"""Opens the store at a target's address."""
IsSending = Callable[[TargetCopy], bool]
"""Says whether somebody may still send files of a copy that is to go."""
logger = logging.getLogger(__name__)


def may_be_sent(copy: TargetCopy) -> bool:
    """Say whether somebody may be sending files of a copy, as far as the catalogue knows: Prefect is not asked."""
    return not copy.was_whole


def withdraw_due(
    database: Database, open_target: OpenTarget, asset_id: str | None = None, is_sending: IsSending = may_be_sent
) -> list[str]:
    """Take away the copies that are to go; one that does not go now is tried again later.

    So is one that somebody may be sending: he takes away what he sent when he finds that it is not wanted, but a killed
    one does not. It is known until it is certain that nobody does.

    Args:
        database: The catalogue.
        open_target: Opens the store at an address.
        asset_id: Of this asset alone.
        is_sending: Whether somebody may still send files of a copy.

    Returns:
        What was taken away, as ``asset version target``.
    """
    now, done = datetime.now(UTC), []
    with database.session() as session:
        due = CopyRepository(session).due(now, asset_id=asset_id)
    for copy in due:
        if copy.state is not CopyState.WITHDRAWING or not _is_to_go_still(database, copy):
            continue
        try:
            is_gone = _take_away(database, open_target(copy.target.url), copy, is_sending)
        except DailiesError as error:
            postpone(database, copy, error)
            continue
        if is_gone:
            done.append(f"{copy.asset_id} version {copy.version} at {copy.target.name}")
    return done


def _take_away(database: Database, target: ObjectStore, copy: TargetCopy, is_sending: IsSending) -> bool:
    """Take a copy away; say whether nothing can come after that."""
    if not is_sending(copy):  # asked before: what ends in between has sent nothing since
        take_away(database, target, copy)
        return True
    clear_away(target, copy)
    with database.session() as session:
        due = datetime.now(UTC) + min(FIRST_PAUSE * 2 ** min(copy.tries, 16), LONGEST_LOOK)
        CopyRepository(session).failed(copy, "The job that was sending it may not have ended.", due)
    return False


def _is_to_go_still(database: Database, copy: TargetCopy) -> bool:
    """Look again: those before it may have taken their time, in which a job may have been told to bring it back."""
    with database.session() as session:
        now = CopyRepository(session).find(copy)
    return now is not None and now.state is CopyState.WITHDRAWING


def postpone(database: Database, copy: TargetCopy, error: DailiesError) -> None:
    """Note that upkeep could not do what it was to do at a target, and when it tries again: later each time."""
    pause = min(FIRST_PAUSE * 2 ** min(copy.tries, 16), LONGEST_PAUSE)
    logger.warning("The target %s of asset %s: %s", copy.target.name, copy.asset_id, error)
    with database.session() as session:
        CopyRepository(session).failed(copy, error.message, datetime.now(UTC) + pause)


def expire_copies(
    database: Database,
    superseded_before: datetime | None,
    begun_before: datetime | None,
    is_in_use: Callable[[str], bool],
) -> int:
    """Say of copies that grew old that they are to go; return of how many.

    Args:
        database: The catalogue.
        superseded_before: Those whose place another one took by then; ``None`` keeps them for ever.
        begun_before: Those that a job began by then and that no living job is at; ``None`` keeps them for ever.
        is_in_use: Whether a living job works on an asset.
    """
    with database.session() as session:
        copies = CopyRepository(session)
        old = [
            copy
            for copy in copies.of_age(superseded_before, begun_before)
            if copy.state is CopyState.SUPERSEDED or not is_in_use(copy.asset_id)
        ]
        for copy in old:
            copies.withdraw(copy)
    return len(old)


def check_place(url: str) -> None:
    """Do nothing if there is a place: a local folder is not made, because a disk that is not mounted looks like none.

    Raises:
        TargetUnavailableError: There is no such folder on this machine.
    """
    if url.startswith(FILE_SCHEME) and not Path(url.removeprefix(FILE_SCHEME)).is_dir():
        raise TargetUnavailableError(f"There is no folder {url} on this machine: make it, or mount it.", {"url": url})
