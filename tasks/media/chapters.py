"""Chapters: a video is divided where shots change, into stretches of sensible length, titled by what is said. Pure.

Not every cut is a chapter. The division is chosen as a whole: chapters of about even length, none below the minimum,
none that starts in the middle of a sentence where another cut is near.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from data.domain.publications import Chapter
from tasks.media.captions import Word, ends_sentence, join_words

MAX_TITLE_CHARACTERS = 48

_SENTENCE_PAUSE_SECONDS = 1.0
_MID_SENTENCE_COST = 0.5
_TITLE_SEARCH_SHARE = 0.5
_STRIPPED = " ,;:.–—-…、。，；："


@dataclass(frozen=True, slots=True)
class Shot:
    """A stretch of picture between two cuts."""

    start_seconds: float
    end_seconds: float


def chapters_from_shots(
    shots: Sequence[Shot],
    duration_seconds: float,
    min_seconds: float,
    max_count: int,
    words: Sequence[Word] = (),
) -> tuple[Chapter, ...]:
    """Divide a video into chapters: contiguous, the first from 0, the last to the end.

    Args:
        shots: In order; chapters start where one of them does.
        duration_seconds: Of the video; without duration there are no chapters.
        min_seconds: No chapter is shorter, unless the whole video is.
        max_count: No more chapters than this.
        words: What is said, for titles; a chapter in which nobody speaks is called ``Chapter 3``.
    """
    if duration_seconds <= 0:
        return ()
    cuts = sorted({s.start_seconds for s in shots if min_seconds <= s.start_seconds <= duration_seconds - min_seconds})
    costs = [_MID_SENTENCE_COST if _is_mid_sentence(cut, words) else 0.0 for cut in cuts]
    target = max(1.5 * min_seconds, duration_seconds / max_count)
    starts = _divide(cuts, costs, duration_seconds, min_seconds, target)
    while len(starts) > max_count:
        target *= 1.15
        starts = _divide(cuts, costs, duration_seconds, min_seconds, target)
    ends = (*starts[1:], duration_seconds)
    return tuple(
        Chapter(start_seconds=start, end_seconds=end, title=_title(start, end, words) or f"Chapter {number}")
        for number, (start, end) in enumerate(zip(starts, ends, strict=True), 1)
    )


def chapters_vtt(chapters: Sequence[Chapter]) -> str:
    """Write chapters as a WebVTT chapter track."""
    blocks = (
        f"{number}\n{_clock(chapter.start_seconds)} --> {_clock(chapter.end_seconds)}\n{_escaped(chapter.title)}\n"
        for number, chapter in enumerate(chapters, 1)
    )
    return "\n".join(("WEBVTT\n", *blocks))


def _divide(
    cuts: list[float], costs: list[float], duration_seconds: float, min_seconds: float, target_seconds: float
) -> list[float]:
    """Choose the starts (0 first) whose chapters are nearest to the target length, by dynamic programming."""
    points = [0.0, *cuts, duration_seconds]
    best = [0.0] + [float("inf")] * (len(points) - 1)
    origin = [0] * len(points)
    for end in range(1, len(points)):
        cost_here = costs[end - 1] if end <= len(costs) else 0.0
        for start in range(end - 1, -1, -1):
            length = points[end] - points[start]
            if length < min_seconds and start > 0:
                continue
            cost = best[start] + (length / target_seconds - 1.0) ** 2 + cost_here
            if cost < best[end]:
                best[end], origin[end] = cost, start
            if length > 4 * target_seconds and best[end] < float("inf"):
                break  # longer ones only cost more
    starts: list[float] = []
    point = len(points) - 1
    while point:
        point = origin[point]
        starts.append(points[point])
    return starts[::-1]


def _is_mid_sentence(seconds: float, words: Sequence[Word]) -> bool:
    following = bisect_left(words, seconds, key=lambda word: word.start_seconds)
    if following == 0 or following == len(words):
        return False
    before, after = words[following - 1], words[following]
    return not ends_sentence(before) and after.start_seconds - before.end_seconds < _SENTENCE_PAUSE_SECONDS


def _title(start_seconds: float, end_seconds: float, words: Sequence[Word]) -> str:
    """The first words of the first sentence that starts in a chapter's first half, else its first words."""
    first = bisect_left(words, start_seconds - 0.25, key=lambda word: word.start_seconds)
    last = bisect_left(words, end_seconds - 0.25, key=lambda word: word.start_seconds)
    middle = start_seconds + (end_seconds - start_seconds) * _TITLE_SEARCH_SHARE
    sentences = (i for i in range(first, last) if words[i].start_seconds < middle and _starts_sentence(words, i))
    return _trimmed(words[next(sentences, first) : last])


def _starts_sentence(words: Sequence[Word], index: int) -> bool:
    if index == 0 or ends_sentence(words[index - 1]):
        return True
    return words[index].start_seconds - words[index - 1].end_seconds >= _SENTENCE_PAUSE_SECONDS


def _trimmed(words: Sequence[Word]) -> str:
    """The words up to the sentence's end or the longest title, with a capital and without trailing punctuation."""
    taken: list[Word] = []
    for word in words:
        if len(join_words([*taken, word])) > MAX_TITLE_CHARACTERS:
            break
        taken.append(word)
        if ends_sentence(word):
            break
    if not taken:
        return ""
    title = join_words(taken).rstrip(_STRIPPED)
    is_cut = len(taken) < len(words) and not ends_sentence(taken[-1])
    return title[:1].upper() + title[1:] + ("…" if is_cut else "")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
