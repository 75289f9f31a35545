"""Copies of what is public at publish targets: whole before a pointer names them, and taken away pointer first.

The local publication is the truth, and stands whatever a target does. A copy that was begun is gone on with: what lies
at the target with its size is not sent again, since a store takes an object whole or not at all. Two writers of one
pointer are kept apart by compare-and-swap.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from data.database import Database
from data.domain.copies import CopyPointer, CopyRetracted, TargetCopy, files_of, pointer_to
from data.domain.errors import (
    DiskFullError,
    Fact,
    PublicationConflictError,
    StoreUnavailableError,
    TargetRefusedError,
    TargetTakenError,
    TargetUnavailableError,
)
from data.domain.publications import PublicationManifest
from data.domain.targets import FILE_SCHEME
from data.publishing import current_publication
from data.repositories import CopyRepository
from data.storage import ObjectStore

FILES_AT_ONCE = 4
"""Each lies in the scratch directory while it is sent."""
SLOWEST_BYTES_PER_SECOND = 256 * 1024
"""A target that takes less is taken to hang."""

logger = logging.getLogger(__name__)

_SAID: TypeAdapter[CopyPointer | CopyRetracted] = TypeAdapter(CopyPointer | CopyRetracted)
_LOOK_SECONDS = 10.0
_STALE_SECONDS = 86_400.0
"""What is half written for so long is nobody's."""
_REFUSALS = frozenset(
    {"AccessDenied", "AllAccessDisabled", "InvalidAccessKeyId", "NoSuchBucket", "SignatureDoesNotMatch", "403"}
)


def make_copy(
    store: ObjectStore,
    database: Database,
    target: ObjectStore,
    copy: TargetCopy,
    manifest: PublicationManifest,
    scratch: Path,
    on_share: Callable[[float], None] = lambda share: None,
) -> int:
    """Bring a copy to its target: the files that are not there, then the pointer; return how many bytes were sent.

    A version that is not public any more, or whose copy is not wanted any more, leaves nothing behind; where this
    process is killed before that, the copy is still known, and upkeep takes away what was sent.

    Args:
        store: Where the publication lies.
        database: The catalogue.
        target: The store at the copy's address.
        copy: It is noted as wanted.
        manifest: Of its version.
        scratch: A directory for files on their way.
        on_share: Told how much (0–1) is there.

    Raises:
        TargetUnavailableError: The target did not take it; another try goes on.
        TargetRefusedError: The target lets us do nothing, or a link leads out of it.
        TargetTakenError: Its folder is another asset's.
    """
    _check_inside(copy)
    files = files_of(manifest, copy.target.parts)
    with _at(copy):
        _said(target, copy)  # a folder that is another's is refused before a byte is sent
    sent = _send(store, target, copy, manifest, files, scratch, on_share)
    superseded = None
    if _is_public(store, manifest):  # else upkeep may have taken files away already
        with _at(copy):
            _check_whole(target, copy, files)
        if _point(store, target, copy, manifest):
            superseded = _noted(database, copy, files)
    # Looked at again: a person who took the version down meanwhile may not have known of the pointer.
    if superseded is None or not _is_public(store, manifest):
        with database.session() as session:
            CopyRepository(session).withdraw(copy)
        take_away(database, target, copy)
        return sent
    with _at(copy):
        _tidy(target, copy, files, superseded)
    return sent


def take_away(database: Database, target: ObjectStore, copy: TargetCopy) -> None:
    """Take a copy away that nobody sends files of, and forget it.

    Raises:
        TargetUnavailableError: The target did not let go of it; another try goes on.
        TargetRefusedError: The target lets us do nothing, or a link leads out of it.
    """
    clear_away(target, copy)
    with database.session() as session:
        CopyRepository(session).gone(copy)


def clear_away(target: ObjectStore, copy: TargetCopy) -> None:
    """Take away what is there of a copy: the pointer first, if it names it, then the files.

    Raises:
        TargetUnavailableError: The target did not let go of it; another try goes on.
        TargetRefusedError: The target lets us do nothing, or a link leads out of it.
    """
    _check_inside(copy)
    with _at(copy):
        _unpoint(target, copy)
        target.delete_tree(copy.prefix)


def _check_inside(copy: TargetCopy) -> None:
    """Do nothing if a copy's folder lies where it is said to: the settings allow the address, links followed.

    Raises:
        TargetRefusedError: A link in it leads elsewhere.
    """
    if not copy.target.url.startswith(FILE_SCHEME):
        return
    root = Path(copy.target.url.removeprefix(FILE_SCHEME)).resolve()
    if not (root / copy.prefix).resolve().is_relative_to(root):
        message = f"A link leads out of the target {copy.target.name!r}: {copy.target.url}/{copy.asset_folder}"
        raise TargetRefusedError(message, _facts(copy))


def _facts(copy: TargetCopy) -> dict[str, Fact]:
    return {
        "target": copy.target.name,
        "url": copy.target.url,
        "asset_id": copy.asset_id,
        "version": copy.version,
    }


@contextmanager
def _at(copy: TargetCopy) -> Iterator[None]:
    """Say of what goes wrong at which target it did."""
    name, facts = copy.target.name, _facts(copy)
    try:
        yield
    except (StoreUnavailableError, DiskFullError, PublicationConflictError) as error:
        if error.facts.get("s3_code") in _REFUSALS or isinstance(error.__cause__, PermissionError):
            raise TargetRefusedError(f"The target {name!r} lets us do nothing: {error.message}", facts) from error
        raise TargetUnavailableError(f"The target {name!r} did not take it: {error.message}", facts) from error


def _noted(database: Database, copy: TargetCopy, files: dict[str, int]) -> tuple[TargetCopy, ...] | None:
    """Note that a copy is there; return those whose place it took, ``None`` when it is not wanted any more."""
    with database.session() as session:
        copies = CopyRepository(session)
        superseded = copies.there(copy, sum(files.values()), len(files))
        for each in superseded or ():
            if each.target.url != copy.target.url:  # the target has moved: nothing is to be left in the old place
                copies.withdraw(each)
    return superseded


def _said(target: ObjectStore, copy: TargetCopy) -> tuple[CopyPointer | CopyRetracted | None, str | None]:
    """Return what a target's pointer says, with its etag.

    Raises:
        TargetTakenError: It says something about another asset, or nothing that is ours.
    """
    found = target.get_versioned(copy.pointer_key)
    if found is None:
        return None, None
    try:
        said = _SAID.validate_json(found[0])
    except ValidationError as error:
        raise _taken(copy, "holds a file that is not ours") from error
    if said.asset_id != copy.asset_id and isinstance(said, CopyPointer):
        raise _taken(copy, f"is that of asset {said.asset_id}: another layout keeps them apart")
    return said, found[1]


def _taken(copy: TargetCopy, why: str) -> TargetTakenError:
    place = f"{copy.target.url}/{copy.pointer_key}"
    return TargetTakenError(
        f"The folder at the target {copy.target.name!r} {why} ({place}).",
        {"target": copy.target.name, "asset_id": copy.asset_id, "pointer": place},
    )


def _send(
    store: ObjectStore,
    target: ObjectStore,
    copy: TargetCopy,
    manifest: PublicationManifest,
    files: dict[str, int],
    scratch: Path,
    on_share: Callable[[float], None],
) -> int:
    """Send the files that are not there, several at a time; return how many bytes that were."""
    with _at(copy):
        there = _sizes(target, copy)
    left = {path: size for path, size in files.items() if there.get(path) != size}
    total, arrived = max(sum(files.values()), 1), sum(files.values()) - sum(left.values())

    def send(path: str) -> str:
        local = store.fetch(manifest.prefix + path, scratch / f"copy-{uuid4().hex}")
        try:
            with _at(copy):
                target.put_file(local, copy.prefix + path)
        finally:
            local.unlink(missing_ok=True)
        return path

    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        sending = [pool.submit(send, path) for path in left]
        try:
            for each in _as_they_end(sending, max(left.values(), default=0) / SLOWEST_BYTES_PER_SECOND):
                arrived += files[each.result()]
                on_share(arrived / total)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return sum(left.values())


def _as_they_end(sending: Iterable[Future[str]], patience_seconds: float) -> Iterator[Future[str]]:
    """Iterate over what ends; for so long after the last one, look after the others now and then.

    To look is a sign of life to those who watch this process: a large file may take longer than they would wait.
    """
    left, patient_until = set(sending), time.monotonic() + patience_seconds
    while left:
        is_patient = time.monotonic() < patient_until
        done, left = wait(left, _LOOK_SECONDS if is_patient else None, return_when=FIRST_COMPLETED)
        if done:
            patient_until = time.monotonic() + patience_seconds
        yield from done


def _check_whole(target: ObjectStore, copy: TargetCopy, files: dict[str, int]) -> None:
    there = _sizes(target, copy)
    missing = sorted(path for path, size in files.items() if there.get(path) != size)
    if missing:
        raise StoreUnavailableError(f"{len(missing)} files did not arrive, {missing[0]} for one.")


def _point(store: ObjectStore, target: ObjectStore, copy: TargetCopy, manifest: PublicationManifest) -> bool:
    """Have the pointer name a copy; ``False`` when it names a later version.

    A later one that is not public is of a life of the store that is over: one that was restored from a backup gives its
    versions the same numbers again, and is the truth.
    """
    with _at(copy):
        said, etag = _said(target, copy)
        is_later = isinstance(said, CopyPointer) and said.version > copy.version
        if is_later and not _is_public(store, manifest):
            return False
        pointer = pointer_to(copy, manifest)
        if said != pointer:
            target.compare_and_swap(copy.pointer_key, pointer.model_dump_json().encode(), etag)
    return True


def _unpoint(target: ObjectStore, copy: TargetCopy) -> None:
    """Have the pointer say that nothing counts any more, if a copy is what it names."""
    try:
        said, etag = _said(target, copy)
    except TargetTakenError:
        return
    if isinstance(said, CopyPointer) and said.prefix == copy.version_folder:
        retracted = CopyRetracted(asset_id=copy.asset_id, retracted_version=copy.version)
        target.compare_and_swap(copy.pointer_key, retracted.model_dump_json().encode(), etag)


def _tidy(target: ObjectStore, copy: TargetCopy, files: dict[str, int], superseded: Iterable[TargetCopy]) -> None:
    """Remove what is not wanted any more: other parts, the pointer of a folder that was left, halves of files."""
    for path in _sizes(target, copy).keys() - files.keys():
        target.delete(copy.prefix + path)
    for each in superseded:
        if each.target.url == copy.target.url and each.pointer_key != copy.pointer_key:
            _unpoint(target, each)
    try:
        target.sweep_temporary(_STALE_SECONDS, copy.asset_folder)
    except StoreUnavailableError as error:  # to list them takes a permission that a bucket need not give
        logger.debug("What killed writers left at %s was not swept: %s", copy.target.name, error)


def _sizes(target: ObjectStore, copy: TargetCopy) -> dict[str, int]:
    return {each.key.removeprefix(copy.prefix): each.size_bytes for each in target.list(copy.prefix)}


def _is_public(store: ObjectStore, manifest: PublicationManifest) -> bool:
    current, _ = current_publication(store, manifest.asset_id)
    return current is not None and current.prefix == manifest.prefix
