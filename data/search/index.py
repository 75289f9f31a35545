"""The door to the search: answers questions about everything that is public, by words and by meaning."""

import logging
import threading
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from data.database import Database
from data.domain.errors import ModelMissingError
from data.domain.passages import VECTOR_LENGTH, Hit, Passage, PassageKind, Passages
from data.domain.publications import PublicationManifest
from data.repositories import IndexedPassage, PassageRepository
from data.search.embedding import embed, unpack
from data.search.folding import folded, query_words
from data.search.ranking import by_words, fused, nearest, snippet

MOST_VECTORS = 50_000
"""Passages that are compared by meaning, the latest first: about 40 MB of memory and 400 hours of speech."""
MOST_BY_WORDS = 500
FRESH_SECONDS = 2.0

logger = logging.getLogger(__name__)


def put_in(session: Session, manifest: PublicationManifest, passages: Passages | None) -> None:
    """Put a version into the index instead of what the asset had; a candidate beside it, not to be found yet."""
    title = Passage(
        kind=PassageKind.TITLE, start_seconds=0.0, end_seconds=manifest.duration_seconds, text=manifest.title
    )
    items = [title, *(passages.items if passages else ())]
    PassageRepository(session).replace(
        manifest.asset_id,
        manifest.prefix,
        [(passage, folded(passage.text)) for passage in items],
        is_public=not manifest.awaits_review,
    )


class SearchIndex:
    """Searches passages. Lives as long as the application, and keeps their meanings in memory; safe between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._ids: tuple[int, ...] = ()
        self._vectors: NDArray[np.float16] = np.zeros((0, VECTOR_LENGTH), dtype=np.float16)
        self._read_at = float("-inf")

    def search(
        self,
        question: str,
        limit: int = 20,
        kinds: frozenset[PassageKind] = frozenset(),
        owner: str | None = None,
    ) -> tuple[Hit, ...]:
        """Return the passages that answer a question best, the best first.

        Where the model is not there, words alone decide; the log says so.

        Args:
            question: A few words, or a sentence.
            limit: At most this many.
            kinds: Only passages of these kinds; all when empty.
            owner: Of whose assets alone; ``None`` is everybody's.
        """
        words = query_words(question)
        if not words:
            return ()
        likeness = self._likeness(question, 5 * limit, owner)
        with self._database.session() as session:
            passages = PassageRepository(session)
            worded = by_words(passages.with_words(words, MOST_BY_WORDS, owner), words)
            meant = passages.get([number for number, _ in likeness])
        known = {passage.id: passage for passage in worded} | meant
        rankings = [[passage.id for passage in worded], [number for number, _ in likeness if number in meant]]
        hits = [
            _hit(known[number], score, words, rankings)
            for number, score in fused(*rankings).items()
            if not kinds or known[number].kind in kinds
        ]
        return tuple(hits[:limit])

    def _likeness(self, question: str, limit: int, owner: str | None) -> list[tuple[int, float]]:
        ids, vectors = self._current() if owner is None else self._own(owner)
        if not ids:
            return []
        try:
            meaning = embed([question])[0]
        except ModelMissingError as error:
            logger.warning("Searching by words alone: %s", error)
            return []
        return [(ids[row], alike) for row, alike in nearest(vectors, meaning, limit)]

    def _current(self) -> tuple[tuple[int, ...], NDArray[np.float16]]:
        """Return ids and meanings of what is public now; only what is new is read."""
        with self._lock:
            if time.monotonic() - self._read_at >= FRESH_SECONDS:
                self._refresh()
                self._read_at = time.monotonic()
            return self._ids, self._vectors

    def _own(self, owner: str) -> tuple[tuple[int, ...], NDArray[np.float16]]:
        """Return those ids and meanings that are of an owner's assets."""
        ids, vectors = self._current()
        with self._database.session() as session:
            own = set(PassageRepository(session).meaningful_ids(MOST_VECTORS, owner))
        rows = [row for row, number in enumerate(ids) if number in own]
        return tuple(ids[row] for row in rows), vectors[rows]

    def _refresh(self) -> None:
        with self._database.session() as session:
            ids = PassageRepository(session).meaningful_ids(MOST_VECTORS)
            if ids == self._ids:
                return
            known = {number: row for row, number in enumerate(self._ids)}
            new = PassageRepository(session).vectors(number for number in ids if number not in known)
        there = tuple(number for number in ids if number in known or number in new)
        vectors = np.zeros((len(there), VECTOR_LENGTH), dtype=np.float16)
        for row, number in enumerate(there):
            vectors[row] = self._vectors[known[number]] if number in known else unpack(new[number])
        self._ids, self._vectors = there, vectors


def _hit(passage: IndexedPassage, score: float, words: Sequence[str], rankings: Sequence[Sequence[int]]) -> Hit:
    names = ("words", "meaning")
    return Hit(
        asset_id=passage.asset_id,
        title=passage.title,
        kind=passage.kind,
        start_seconds=passage.start_seconds,
        end_seconds=passage.end_seconds,
        snippet=snippet(passage.text, words),
        score=round(score, 5),
        matched=tuple(name for name, ranking in zip(names, rankings, strict=True) if passage.id in ranking),
    )
