"""Which of the user's own pictures and clips each scene shows: the one whose name means most what is said."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.domain.generations import Reference
from data.search.embedding import Vectors, embed

_ALIKE = 0.5
"""From here on a picture is shown a second time rather than a card."""
_MOST_USES = 2
_LONGEST_COMPARED = 2000
"""Scenes that are compared; those of longer scripts after them show cards and what was shown before."""
_MEANINGLESS = re.compile(r"^(?:img|dscn?|pxl|image|photo|picture|video|clip|mov|mvi|gopr|screenshot|untitled|file)?$")


def words_of_name(name: str) -> str:
    """Return the words of a file name; empty where it has none that mean anything (``IMG_2041.jpg``)."""
    stem = Path(name).stem
    stem = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", stem)
    words = [word for word in re.split(r"[^\w]|_|\d+", stem) if len(word) > 1]
    return " ".join(word for word in words if not _MEANINGLESS.match(word.lower()))


def assign(texts: Sequence[str], references: Sequence[Reference]) -> tuple[Reference | None, ...]:
    """Choose what each scene shows; ``None`` is a card.

    What the user handed in is there to be seen: everything is shown once while there are scenes, the surest matches
    first, files whose names say nothing in their own order. A picture that fits well is shown a second time.

    Args:
        texts: What the scenes say, in order.
        references: What there is to show.
    """
    chosen: list[Reference | None] = [None] * len(texts)
    if not references or not texts:
        return tuple(chosen)
    compared = texts[:_LONGEST_COMPARED]
    alike = _alikeness(compared, references)
    uses = [0] * len(references)
    for scene, reference in _best_first(alike):
        if chosen[scene] is None and uses[reference] == 0 and np.isfinite(alike[scene, reference]):
            chosen[scene], uses[reference] = references[reference], 1
    _spread(chosen, [reference for reference, used in zip(references, uses, strict=True) if not used])
    for scene, reference in _best_first(alike):
        around = chosen[max(0, scene - 1) : scene + 2]
        fits = alike[scene, reference] >= _ALIKE and uses[reference] < _MOST_USES
        if chosen[scene] is None and fits and references[reference] not in around:
            chosen[scene], uses[reference] = references[reference], uses[reference] + 1
    return tuple(chosen)


def _alikeness(texts: Sequence[str], references: Sequence[Reference]) -> Vectors:
    """Scenes × references; minus infinity where a name means nothing."""
    names = [words_of_name(reference.name) for reference in references]
    alike = np.full((len(texts), len(names)), -np.inf, dtype=np.float32)
    named = [index for index, name in enumerate(names) if name]
    if named:
        alike[:, named] = embed(texts) @ embed([names[index] for index in named]).T
    return alike


def _best_first(alike: Vectors) -> list[tuple[int, int]]:
    order = np.argsort(-alike, axis=None, kind="stable")
    return [(int(place) // alike.shape[1], int(place) % alike.shape[1]) for place in order]


def _spread(chosen: list[Reference | None], left: Sequence[Reference]) -> None:
    """Put references into scenes that show nothing yet, in order and evenly."""
    free = [index for index, reference in enumerate(chosen) if reference is None]
    shown = left[: len(free)]
    for number, reference in enumerate(shown):
        chosen[free[number * len(free) // len(shown)]] = reference
