"""Taking a batch in: its manifest into the store, its rows into the catalogue, each checked before any work begins.

Every step may be begun again at any line: a copy is replaced, rows are dropped and taken anew, and the state only moves
on when all of a step is done.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas

from data.database import Database
from data.domain.batches import (
    Batch,
    BatchItem,
    BatchOptions,
    BatchReason,
    BatchState,
    BatchWish,
    ItemState,
    untrusted_id,
)
from data.domain.errors import DataError, FailureClass, ManifestError, NotFoundError
from data.domain.identity import LOCAL_USER
from data.domain.keys import batch_manifest_key, batch_rejects_key, wish_key
from data.domain.retries import RetryFilter
from data.manifests import (
    CheckedChunk,
    Manifest,
    ManifestRules,
    RejectsFile,
    check_manifest,
    copy_rows,
    open_manifest,
)
from data.manifests.cells import MAX_ID_CHARACTERS
from data.manifests.raw import CHUNK_ROWS, RawChunk
from data.repositories import BatchItemRepository, BatchRepository, GenerationRepository, ItemPlanRepository
from data.repositories.statements import storable
from data.storage import ObjectStore
from data.tables import utc_now
from tasks.providers.sources import FetchedSource

FetchManifest = Callable[[str, Path], FetchedSource]
"""Brings what a manifest's address names into a file."""

_SHOWN_ERRORS = 5
_MOST_MESSAGE_CHARACTERS = 2000


@dataclass(frozen=True)
class Intake:
    """Where batches are taken in."""

    database: Database
    store: ObjectStore
    scratch: Path
    """Folder for work files; the caller removes it."""
    traceparent: str | None = None
    """Of the run that takes them in: a batch that nobody else has made is of its trace."""

    def register(
        self,
        batch_id: str,
        manifest: str,
        name: str,
        options: BatchOptions,
        fetch: FetchManifest,
        owner: str = LOCAL_USER,
    ) -> Batch:
        """Make the batch known and copy its manifest into the store; a batch that got further is returned as it is.

        A manifest that is not there, may not be read or is none makes the batch a rejected one.

        Args:
            batch_id: Its id; whoever made its row already gives the same.
            manifest: Address of the manifest.
            name: Name for people; empty takes the manifest's.
            options: What was chosen.
            fetch: Brings the manifest here.
            owner: Id of the user whose it becomes, if it is not known yet.

        Raises:
            TransientError: The manifest's host or the store did not answer.
        """
        batch = self._known(batch_id, manifest, name, options, owner)
        if batch.state is not BatchState.RECEIVED or batch.manifest_key is not None:
            return batch
        try:
            fetched = self._retried(batch) if batch.retry_of else fetch(batch.manifest_uri, self.scratch / "manifest")
            suffix = open_manifest(fetched.path, fetched.name).format.name.lower()
        except DataError as error:
            return self._reject(batch, BatchReason.INVALID_MANIFEST, str(error))
        key = batch_manifest_key(batch.id, suffix)
        self.store.put_file(fetched.path, key)
        with self.database.session() as session:
            BatchRepository(session).record(batch.id, manifest_key=key, manifest_sha256=fetched.sha256)
        return self._get(batch.id)

    def validate(self, batch_id: str, rules: ManifestRules) -> Batch:
        """Check every row and take those that are valid as items; the others too, as rejected ones, for the accounts.

        Goes on to *planning*, or to *rejected* when the manifest cannot be read, or has invalid rows and the batch is
        to be taken whole or not at all.

        Args:
            batch_id: A registered batch; one that got further is returned as it is.
            rules: What rows may ask for; recipe and priority are the batch's own.

        Raises:
            NotFoundError: There is no such batch.
        """
        with self.database.session() as session:
            moved = BatchRepository(session).move(
                batch_id, BatchState.VALIDATING, allowed_from=[BatchState.RECEIVED, BatchState.VALIDATING]
            )
            batch = BatchRepository(session).get(batch_id)
        if not moved or batch.manifest_key is None:
            return batch
        try:
            taken = self._take_rows(batch, batch.manifest_key, rules)
        except ManifestError as error:
            self._drop_items(batch)
            return self._reject(batch, BatchReason.INVALID_MANIFEST, str(error))
        return self._decide(batch, taken)

    def _known(self, batch_id: str, manifest: str, name: str, options: BatchOptions, owner: str) -> Batch:
        with self.database.session() as session:
            batches = BatchRepository(session)
            try:
                return batches.get(batch_id)
            except NotFoundError:
                batch = Batch(
                    id=batch_id,
                    name=name or Path(manifest).name or manifest,
                    manifest_uri=manifest,
                    options=options,
                    state=BatchState.RECEIVED,
                    owner=owner,
                    traceparent=self.traceparent,
                    created_at=utc_now(),
                )
                batches.create(batch)
                return batch

    def _retried(self, batch: Batch) -> FetchedSource:
        """Write the rows of another batch that this one tries again, as a manifest of its own.

        Raises:
            ManifestError: The other one's manifest is not there, or cannot be read any more.
        """
        parent = self._get(batch.retry_of or "")
        if parent.manifest_key is None:
            raise ManifestError(f"The batch {parent.id} was never taken in: there is nothing to try again.")
        copy = self.store.fetch(parent.manifest_key, self.scratch / f"parent-{Path(parent.manifest_key).name}")
        target, wanted = self.scratch / f"retried{copy.suffix}", batch.retry_filter or RetryFilter()
        asked = self._asked(parent.id) if wanted.providers else {}
        chosen = (item for item in self._items(parent.id) if wanted.chooses(item, asked.get(item.run_id or "", ())))
        rows = (item.row for item in chosen)
        copy_rows(open_manifest(copy, Path(parent.manifest_uri).name), rows, target)
        with target.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FetchedSource(target, digest, target.stat().st_size, target.name)

    def _asked(self, batch_id: str) -> Mapping[str, Collection[str]]:
        with self.database.session() as session:
            return GenerationRepository(session).asked_for_batch(batch_id)

    def _items(self, batch_id: str) -> Iterator[BatchItem]:
        """Give the items of a batch that may be tried again; no session is open meanwhile."""
        after = 0
        while True:
            with self.database.session() as session:
                states = (ItemState.FAILED, ItemState.CANCELLED)
                page = BatchItemRepository(session).page(batch_id, states=states, after_row=after, limit=1000)
            if not page:
                return
            yield from page
            after = page[-1].row

    def _take_rows(self, batch: Batch, key: str, rules: ManifestRules) -> "_Taken":
        """Read the manifest once, a chunk at a time, into items and the rejects file."""
        self._drop_items(batch)
        copy = self.store.fetch(key, self.scratch / Path(key).name)
        manifest = open_manifest(copy, Path(batch.manifest_uri).name)
        own_rules = replace(
            rules, recipe=batch.options.recipe, priority=batch.options.priority, folder=_folder(batch.manifest_uri)
        )
        taken = _Taken()
        with self._rejects_file(batch, manifest, copy.suffix) as rejects:
            for chunk in check_manifest(manifest, own_rules):
                _refuse_columns(chunk)
                self._add(batch, chunk)
                rejects.write(chunk)
                taken.count(chunk)
                if self._get(batch.id).wish is BatchWish.CANCEL:
                    self._take_unchecked(batch, manifest, taken)
                    break
        return taken

    def _take_unchecked(self, batch: Batch, manifest: Manifest, taken: "_Taken") -> None:
        """Take the rest of the rows as cancelled ones: nobody waits for their check, and the accounts have them all."""
        for chunk in manifest.chunks(CHUNK_ROWS):
            with self.database.session() as session:
                rest = _cancelled_items(chunk, batch, taken.rows + 1)
                taken.rows += BatchItemRepository(session).add(batch.id, rest)

    @contextmanager
    def _rejects_file(self, batch: Batch, manifest: Manifest, suffix: str) -> Iterator[RejectsFile]:
        """Give a file for the rejected rows, and store it if there were any."""
        path = self.scratch / f"rejects{suffix}"
        with RejectsFile(path, manifest) as rejects:
            yield rejects
        if rejects.rows:
            key = batch_rejects_key(batch.id, suffix.removeprefix("."))
            self.store.put_file(path, key)
            with self.database.session() as session:
                BatchRepository(session).add_outputs(batch.id, {"rejects": key})

    def _add(self, batch: Batch, chunk: CheckedChunk) -> None:
        items = [*map(_item, chunk.rows.to_dict("records")), *_rejected_items(chunk, batch)]
        with self.database.session() as session:
            BatchItemRepository(session).add(batch.id, items)

    def _decide(self, batch: Batch, taken: "_Taken") -> Batch:
        with self.database.session() as session:
            batches = BatchRepository(session)
            batches.record(batch.id, rows=taken.rows)
            plans = ItemPlanRepository(session, batch.id)
            plans.note_statistics()
            plans.skip_duplicates()
            if taken.rejected == 0 or batch.options.on_invalid == "accept_valid":
                batches.move(batch.id, BatchState.PLANNING, allowed_from=[BatchState.VALIDATING])
                return batches.get(batch.id)
            BatchItemRepository(session).cancel_pending(batch.id, BatchReason.INVALID_ROWS)
        return self._reject(batch, BatchReason.INVALID_ROWS, taken.message())

    def _drop_items(self, batch: Batch) -> None:
        with self.database.session() as session:
            BatchItemRepository(session).drop(batch.id)
            BatchRepository(session).record(batch.id, rows=0)

    def _reject(self, batch: Batch, reason: BatchReason, message: str) -> Batch:
        with self.database.session() as session:
            BatchRepository(session).move(
                batch.id,
                BatchState.REJECTED,
                allowed_from=[BatchState.RECEIVED, BatchState.VALIDATING],
                reason=reason,
                message=message[:_MOST_MESSAGE_CHARACTERS],
            )
        return self._get(batch.id)

    def _get(self, batch_id: str) -> Batch:
        with self.database.session() as session:
            return BatchRepository(session).get(batch_id)


@dataclass
class _Taken:
    """What a manifest came to so far."""

    rows: int = 0
    rejected: int = 0
    errors: list[str] = field(default_factory=list)
    """The first few."""

    def count(self, chunk: CheckedChunk) -> None:
        """Add a chunk."""
        self.rows += len(chunk.rows) + len(chunk.rejected)
        self.rejected += len(chunk.rejected)
        first = chunk.errors.head(_SHOWN_ERRORS - len(self.errors))
        self.errors += [_sentence(*each) for each in first[["row", "column", "code", "error"]].itertuples(index=False)]

    def message(self) -> str:
        """Say for a person what is wrong with the rows."""
        beginning = f"{self.rejected:,} of {self.rows:,} rows are invalid, so none was fed."
        return " ".join([beginning, *self.errors, "The rejects file has them all."])


def _sentence(row: int, column: str, code: str, error: str) -> str:
    place = f"Row {row}, column {column}" if column else f"Row {row}"
    return f"{place}: [{code}] {error}"


def _refuse_columns(chunk: CheckedChunk) -> None:
    """Go on if the columns are right.

    Raises:
        ManifestError: Whole columns are wrong; no row counts then.
    """
    if chunk.refuses_manifest:
        problems = chunk.errors[chunk.errors["row"] == 0]["error"].tolist()
        raise ManifestError(" ".join(problems), {"problems": problems})


def _folder(manifest_uri: str) -> Path | None:
    """Return where a manifest lies that is a local file: relative sources are taken from there."""
    path = manifest_uri.removeprefix("file://")
    return Path(path).parent if path.startswith("/") else None


def _item(row: dict[Any, Any]) -> dict[str, Any]:
    wish = wish_key(row["source"], row["prompt"], row["script"], row["recipe"], row["overrides"], row["title"])
    return {**row, "wish_key": wish}


def _rejected_items(chunk: CheckedChunk, batch: Batch) -> Iterator[dict[str, Any]]:
    """Give the rejected rows as items: with what is wrong, and little else, since none of it can be trusted."""
    problems = _problems(chunk.errors)
    ids, sources = _cells(chunk.rejected, "custom_id"), _cells(chunk.rejected, "source")
    for row, own_id, source in zip(chunk.rejected.index.tolist(), ids, sources, strict=True):
        code, message = problems[row]
        yield {
            "row": row,
            "custom_id": untrusted_id(batch.id, row, own_id[:MAX_ID_CHARACTERS]),
            "source": source[:_MOST_MESSAGE_CHARACTERS],
            "recipe": batch.options.recipe,
            "state": ItemState.REJECTED.value,
            "failure_class": FailureClass.DATA.value,
            "code": code,
            "message": storable(message)[:_MOST_MESSAGE_CHARACTERS],
            "ended_at": utc_now(),
        }


def _cells(rows: pandas.DataFrame, name: str) -> list[str]:
    """Return the words in a column as they were given; empty where there are none."""
    column = next((each for each in rows.columns if str(each).strip() == name), None)
    values: list[Any] = [""] * len(rows) if column is None else rows[column].tolist()
    return [storable(value).strip() if isinstance(value, str) else "" for value in values]


def _cancelled_items(chunk: RawChunk, batch: Batch, first_row: int) -> Iterator[dict[str, Any]]:
    """Give the rows of a chunk from one on as cancelled items; nothing of them was looked at."""
    for row in range(max(chunk.first_row, first_row), chunk.first_row + chunk.size):
        yield {
            "row": row,
            "custom_id": untrusted_id(batch.id, row),
            "recipe": batch.options.recipe,
            "state": ItemState.CANCELLED.value,
            "reason": BatchReason.REQUEST.value,
            "ended_at": utc_now(),
        }


def _problems(errors: pandas.DataFrame) -> dict[int, tuple[str, str]]:
    """Return the first code and all that is wrong, by row."""
    found: dict[int, tuple[str, str]] = {}
    for row, column, code, error in errors[["row", "column", "code", "error"]].itertuples(index=False, name=None):
        text = f"{column}: {error}" if column else error
        known = found.get(row)
        found[row] = (known[0], f"{known[1]} {text}") if known else (code, text)
    return found
