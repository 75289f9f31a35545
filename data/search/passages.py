"""Cuts what is said into passages: long enough to mean something, short enough to jump to. Pure."""

from collections.abc import Iterable, Sequence

from data.domain.findings import SeenText
from data.domain.passages import Passage, PassageKind

MAX_SECONDS = 30.0
MAX_CHARACTERS = 400
_SCREEN_SECONDS = 4.0
"""Lines of text that come up within this long of each other are read together."""

Spoken = tuple[str, float, float]
"""A sentence or cue: its text, start and end in seconds."""


def spoken_passages(cues: Sequence[Spoken], language: str, kind: PassageKind = PassageKind.SPEECH) -> list[Passage]:
    """Join cues of captions to passages, which end with a sentence where there is one."""
    passages: list[Passage] = []
    group: list[Spoken] = []
    for cue in cues:
        if group and (cue[2] - group[0][1] > MAX_SECONDS or _length(group) + len(cue[0]) > MAX_CHARACTERS):
            passages.append(_passage(group, kind, language))
            group = []
        group.append(cue)
        is_long = cue[2] - group[0][1] > MAX_SECONDS / 2 or _length(group) > MAX_CHARACTERS / 2
        if is_long and cue[0].rstrip("\"'”’»)").endswith((".", "?", "!", "…", "。", "？", "！")):
            passages.append(_passage(group, kind, language))
            group = []
    if group:
        passages.append(_passage(group, kind, language))
    return passages


def shown_passages(lines: Iterable[SeenText]) -> list[Passage]:
    """Join lines of text that come up together to passages."""
    groups: list[list[SeenText]] = []
    for line in lines:
        group = groups[-1] if groups else []
        if (
            group
            and line.start_seconds - group[0].start_seconds <= _SCREEN_SECONDS
            and sum(len(each.text) for each in group) + len(line.text) <= MAX_CHARACTERS
        ):
            group.append(line)
        else:
            groups.append([line])
    return [
        Passage(
            kind=PassageKind.TEXT,
            start_seconds=group[0].start_seconds,
            end_seconds=max(line.end_seconds for line in group),
            text=" ".join(line.text for line in group),
        )
        for group in groups
    ]


def _length(group: Sequence[Spoken]) -> int:
    return sum(len(text) for text, _, _ in group)


def _passage(group: Sequence[Spoken], kind: PassageKind, language: str) -> Passage:
    text = " ".join(" ".join(text.split()) for text, _, _ in group)
    return Passage(kind=kind, start_seconds=group[0][1], end_seconds=group[-1][2], text=text, language=language)
