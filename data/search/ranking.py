"""What answers a question best: passages with its words, passages of its meaning, and both lists in one. Pure."""

import math
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data.domain.passages import PassageKind
from data.repositories import IndexedPassage
from data.search.folding import folded

MIN_LIKENESS = 0.28
"""Passages that are less alike to a question than this (cosine) are no answer to it."""
SNIPPET_CHARACTERS = 200

_HALF_RANK = 60.0  # of reciprocal rank fusion (Cormack, Clarke, Büttcher 2009)
_MEANING_WEIGHT = 0.95
_ROWS_AT_ONCE = 8192
_KIND_WEIGHTS = {PassageKind.TITLE: 1.5, PassageKind.TEXT: 0.9}


def by_words(passages: Sequence[IndexedPassage], words: Sequence[str]) -> list[IndexedPassage]:
    """Order passages by how well they have the words: rare words count more, whole ones more than parts."""
    counts = [[_occurrences(passage.folded, word) for word in words] for passage in passages]
    rarity = [
        math.log(1 + len(passages) / (1 + sum(1 for row in counts if row[column]))) + 0.1
        for column in range(len(words))
    ]
    scores = [
        sum(weight * count / (count + 0.5) for weight, count in zip(rarity, row, strict=True))
        * _KIND_WEIGHTS.get(passage.kind, 1.0)
        for passage, row in zip(passages, counts, strict=True)
    ]
    order = sorted(range(len(passages)), key=lambda index: (-scores[index], -passages[index].id))
    return [passages[index] for index in order if scores[index] > 0]


def nearest(vectors: NDArray[np.float16], question: NDArray[np.float32], limit: int) -> list[tuple[int, float]]:
    """Return the rows that are most alike to a question, with their likeness (cosine), the most alike first.

    Args:
        vectors: Count × 384, each of length one.
        question: 384 numbers, of length one.
        limit: At most this many; those below :data:`MIN_LIKENESS` are left out.
    """
    parts = [
        vectors[first : first + _ROWS_AT_ONCE].astype(np.float32) @ question
        for first in range(0, len(vectors), _ROWS_AT_ONCE)
    ]
    if not parts:
        return []
    likeness = np.concatenate(parts)
    best = np.argsort(-likeness)[:limit]
    return [(int(row), float(likeness[row])) for row in best if likeness[row] >= MIN_LIKENESS]


def fused(worded: Sequence[int], meant: Sequence[int]) -> dict[int, float]:
    """Return a score for every id of two rankings, the best first: what stands high in both counts most.

    Of two that stand alike in one of them, the one with the very words comes first.
    """
    scores: dict[int, float] = {}
    for ranking, weight in ((worded, 1.0), (meant, _MEANING_WEIGHT)):
        for rank, number in enumerate(ranking, 1):
            scores[number] = scores.get(number, 0.0) + weight / (_HALF_RANK + rank)
    return dict(sorted(scores.items(), key=lambda item: (-item[1], -item[0])))


def snippet(text: str, words: Sequence[str]) -> str:
    """Return a stretch of a passage around the first of the words, whole words only."""
    if len(text) <= SNIPPET_CHARACTERS:
        return text
    tokens = [(found.start(), found.end()) for found in re.finditer(r"\S+", text)]
    hit = next((start for start, end in tokens if any(word in folded(text[start:end]) for word in words)), 0)
    left = max(0, hit - SNIPPET_CHARACTERS // 3)
    first = next((start for start, _ in tokens if start >= left), 0)
    last = max((end for _, end in tokens if end <= first + SNIPPET_CHARACTERS), default=first + SNIPPET_CHARACTERS)
    return ("…" if first else "") + text[first:last] + ("…" if last < len(text) else "")


def _occurrences(text: str, word: str) -> float:
    """How often a word is there; as the beginning of another one it counts half.

    Scripts without spaces (Chinese, Japanese, Thai) have no beginnings of words: there it may be anywhere.
    """
    if any(unicodedata.category(character) == "Lo" for character in word):
        return float(text.count(word))
    whole = len(re.findall(rf"(?<!\w){re.escape(word)}(?!\w)", text))
    return whole or 0.5 * bool(re.search(rf"(?<!\w){re.escape(word)}", text))
