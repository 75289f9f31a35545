"""Captions: words with times become cues that can be read, and cues become SRT and WebVTT. Pure text.

Where to break is one optimisation over the whole transcript (dynamic programming over the cost of every possible cue),
not a greedy fill, so that a cue ends with its sentence, or at a pause or a comma, rather than where a line is full.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import pairwise

from data.domain.model import DomainModel

MAX_CHARACTERS_PER_SECOND = 20.0
"""Reading speed that cues keep to where there is time for it."""
MIN_CUE_SECONDS = 1.0
MAX_CUE_SECONDS = 7.0

_SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！", "؟", "।")
_CLAUSE_ENDS = (",", ";", ":", "—", "–", "、", "，", "；", "：", "،")
_CLOSING = "\"'”’»)]}」』"
_BREAK_PAUSE_SECONDS = 1.2  # no cue spans a silence this long
_NATURAL_PAUSE_SECONDS = 0.4
_LINGER_SECONDS = 0.3  # a cue may stay this much longer than its last word
_FLASH_SECONDS = 0.2  # what even a cue without any time of its own gets
_MIN_GAP_SECONDS = 0.25  # a shorter gap between two cues only flickers: it is closed


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word with its punctuation."""

    text: str
    start_seconds: float
    end_seconds: float
    probability: float = 1.0
    """How sure the model is, 0–1."""
    joins_previous: bool = False
    """Follows the word before without a space (Chinese, Japanese, the second half of a hyphenated word)."""


class Transcript(DomainModel):
    """What is said in a recording; kept as JSON beside the captions."""

    language: str
    """ISO 639 code; ``und`` when nothing is said."""
    language_probability: float
    words: tuple[Word, ...]
    duration_seconds: float
    model: str
    is_translation: bool = False
    """The words are not those that were said, and their times are guesses."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption: up to a few lines, shown from its start to its end."""

    start_seconds: float
    end_seconds: float
    rows: tuple[tuple[Word, ...], ...]
    """The words, line by line."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The text, line by line."""
        return tuple(join_words(row) for row in self.rows)

    @property
    def text(self) -> str:
        """The text with line breaks."""
        return "\n".join(self.lines)

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of all lines."""
        return tuple(word for row in self.rows for word in row)


def build_cues(
    words: Sequence[Word],
    max_line_characters: int = 42,
    max_lines: int = 2,
    *,
    duration_seconds: float | None = None,
) -> tuple[Cue, ...]:
    """Divide words into cues: in order, without overlap, each within the limits.

    Args:
        words: In the order in which they are spoken; faulty times are set right.
        max_line_characters: Width of a line; only a single word that is longer exceeds it (no word is ever split).
            Wide characters (Chinese, Japanese, Korean) count as two.
        max_lines: Lines of one cue.
        duration_seconds: Of the video; no cue ends later.
    """
    spoken = _ordered(words, duration_seconds)
    groups = _divide(spoken, max_line_characters, max_lines)
    return _timed(groups, max_line_characters, max_lines, duration_seconds)


def join_words(words: Sequence[Word]) -> str:
    """Return the words as running text."""
    return "".join(_spaced(word, is_first=index == 0) for index, word in enumerate(words))


def to_srt(cues: Sequence[Cue]) -> str:
    """Write cues as SubRip."""
    blocks = (
        f"{number}\n{_clock(cue.start_seconds, ',')} --> {_clock(cue.end_seconds, ',')}\n{cue.text}\n"
        for number, cue in enumerate(cues, 1)
    )
    return "\n".join(blocks)


def to_webvtt(cues: Sequence[Cue], *, word_times: bool = True) -> str:
    """Write cues as WebVTT.

    Args:
        cues: In order.
        word_times: With a time tag before each word (``<00:00:01.000>``), for karaoke display.
    """
    blocks = (
        f"{number}\n{_clock(cue.start_seconds)} --> {_clock(cue.end_seconds)}\n"
        f"{_tagged(cue) if word_times else escape(cue.text, quote=False)}\n"
        for number, cue in enumerate(cues, 1)
    )
    return "\n".join(("WEBVTT\n", *blocks))


def ends_sentence(word: Word) -> bool:
    """Say whether a sentence ends with the word."""
    return word.text.rstrip(_CLOSING).endswith(_SENTENCE_ENDS)


def _ends_clause(word: Word) -> bool:
    return word.text.rstrip(_CLOSING).endswith(_CLAUSE_ENDS)


def _spaced(word: Word, is_first: bool) -> str:
    return word.text if is_first or word.joins_previous else f" {word.text}"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _ordered(words: Sequence[Word], duration_seconds: float | None) -> list[Word]:
    """Words without empty texts, whose times never run backwards and lie within the video."""
    latest = float("inf") if duration_seconds is None else max(0.0, duration_seconds)
    ordered: list[Word] = []
    earliest = 0.0
    for word in words:
        text = " ".join("".join(c if c.isprintable() else " " for c in word.text).split())
        if text:
            start = min(max(word.start_seconds, earliest), latest)
            end = min(max(word.end_seconds, start), latest)
            ordered.append(replace(word, text=text, start_seconds=start, end_seconds=end))
            earliest = start
    return ordered


def _divide(words: list[Word], max_width: int, max_lines: int) -> list[list[Word]]:
    """Choose the division into cues that costs least."""
    best = [0.0] + [float("inf")] * len(words)
    origin = [0] * (len(words) + 1)
    for start in range(len(words)):
        for end in range(start + 1, len(words) + 1):
            group = words[start:end]
            if end - start > 1 and not _may_be_one_cue(group, max_width, max_lines):
                break
            cost = best[start] + _cue_cost(group, words[end] if end < len(words) else None)
            if cost < best[end]:
                best[end], origin[end] = cost, start
    groups: list[list[Word]] = []
    end = len(words)
    while end:
        groups.append(words[origin[end] : end])
        end = origin[end]
    return groups[::-1]


def _may_be_one_cue(group: list[Word], max_width: int, max_lines: int) -> bool:
    if group[-1].end_seconds - group[0].start_seconds > MAX_CUE_SECONDS:
        return False
    if group[-1].start_seconds - group[-2].end_seconds >= _BREAK_PAUSE_SECONDS:
        return False
    return len(_fill_lines(group, max_width)) <= max_lines


def _cue_cost(group: list[Word], following: Word | None) -> float:
    """Cost of a cue: for where it ends, for being too short or too fast to read, for sentences and pauses inside."""
    cost = 1.0 + (0.0 if following is None else _break_cost(group[-1], following))
    shown = (following.start_seconds if following else group[-1].end_seconds + 1.0) - group[0].start_seconds
    if shown < MIN_CUE_SECONDS:
        cost += 4.0 * (MIN_CUE_SECONDS - shown)
    cost += max(0.0, _width(join_words(group)) / max(shown, 0.1) / MAX_CHARACTERS_PER_SECOND - 1.0)
    sentences_inside = sum(1 for word in group[:-1] if ends_sentence(word))
    cost += 0.6 * sentences_inside + (1.5 if sentences_inside and not ends_sentence(group[-1]) else 0.0)
    return cost + sum(1.0 for a, b in pairwise(group) if b.start_seconds - a.end_seconds >= _NATURAL_PAUSE_SECONDS)


def _break_cost(last: Word, following: Word) -> float:
    """Cost of a break between two words, 0 (a sentence ends) to 4 (in the middle of a phrase)."""
    if following.joins_previous:
        return 4.0
    if ends_sentence(last):
        return 0.0
    pause = following.start_seconds - last.end_seconds
    if _ends_clause(last):
        return 0.5 if pause >= _NATURAL_PAUSE_SECONDS else 1.0
    if pause >= _NATURAL_PAUSE_SECONDS:
        return 1.0
    # Articles, prepositions and the like are short in most languages, and belong to what follows.
    return 4.0 if len(last.text) <= 3 else 2.5


def _fill_lines(group: list[Word], max_width: int) -> list[list[Word]]:
    """Lines filled one after the other: the fewest that hold the words."""
    rows: list[list[Word]] = [[]]
    width = 0
    for word in group:
        added = _width(_spaced(word, is_first=not rows[-1]))
        if rows[-1] and width + added > max_width:
            rows.append([])
            added, width = _width(word.text), 0
        rows[-1].append(word)
        width += added
    return rows


def _balanced_lines(group: list[Word], max_width: int, max_lines: int) -> tuple[tuple[Word, ...], ...]:
    """The fewest lines that hold the words, broken where it reads best and the lines are alike."""
    filled = _fill_lines(group, max_width)
    if len(filled) == 1 or len(filled) > max_lines:
        return tuple(tuple(row) for row in filled)
    return _best_rows(tuple(group), len(filled), max_width)[1]


def _best_rows(group: tuple[Word, ...], count: int, max_width: int) -> tuple[float, tuple[tuple[Word, ...], ...]]:
    width = _width(join_words(group))
    if count == 1:
        overflow = 1000.0 * max(0, width - max_width)
        return overflow, (group,)
    best: tuple[float, tuple[tuple[Word, ...], ...]] = (float("inf"), (group,))
    for cut in range(1, len(group)):
        row, rest = group[:cut], group[cut:]
        row_width = _width(join_words(row))
        if row_width > max_width and cut > 1:
            break
        cost, rows = _best_rows(rest, count - 1, max_width)
        unevenness = abs(row_width - width / count) / max_width
        cost += _break_cost(row[-1], rest[0]) + 8.0 * unevenness
        if cost < best[0]:
            best = (cost, (row, *rows))
    return best


def _timed(groups: list[list[Word]], max_width: int, max_lines: int, duration_seconds: float | None) -> tuple[Cue, ...]:
    latest = float("inf") if duration_seconds is None else duration_seconds
    shortest = min(_FLASH_SECONDS, latest / (len(groups) + 1))
    starts, ends = _shown_from(groups, latest, shortest), []
    for index in range(len(groups) - 1, -1, -1):  # backwards: each ends before the next one, the last with the video
        limit = latest if index + 1 == len(groups) else starts[index + 1]
        starts[index] = min(starts[index], limit - shortest)
        ends.append(max(_end_of(groups[index], starts[index], limit), starts[index] + shortest))
    ends.reverse()
    cues: list[Cue] = []
    for group, start, end in zip(groups, starts, ends, strict=True):
        free = cues[-1].end_seconds if cues else 0.0
        if end - start < MIN_CUE_SECONDS:  # no time after it: take some before, where nothing is shown
            start = max(free, min(start, end - MIN_CUE_SECONDS))
        cues.append(Cue(max(free, _floor_ms(start)), _floor_ms(end), _balanced_lines(group, max_width, max_lines)))
    return tuple(cues)


def _shown_from(groups: list[list[Word]], latest: float, shortest: float) -> list[float]:
    """Starts that leave every cue some time, even where the model gave many words the same time."""
    starts: list[float] = []
    earliest = 0.0
    for group in groups:
        starts.append(min(max(group[0].start_seconds, earliest), latest))
        earliest = starts[-1] + shortest
    return starts


def _end_of(group: list[Word], start: float, limit: float) -> float:
    """When a cue goes: long enough to be read, not long after the last word, never later than ``limit``."""
    spoken = group[-1].end_seconds
    reading = _width(join_words(group)) / MAX_CHARACTERS_PER_SECOND
    end = max(spoken + _LINGER_SECONDS, start + reading, start + MIN_CUE_SECONDS)
    if 0 < limit - end < _MIN_GAP_SECONDS:
        end = limit
    return min(end, limit, start + MAX_CUE_SECONDS)


def _floor_ms(seconds: float) -> float:
    return int(seconds * 1000 + 1e-6) / 1000


def _tagged(cue: Cue) -> str:
    """The lines with time tags; each lies after the one before and within the cue, as the format demands."""
    shown = cue.start_seconds
    rows = []
    for row in cue.rows:
        line = ""
        for index, word in enumerate(row):
            time = round(word.start_seconds, 3)
            tag = ""
            if shown < time < cue.end_seconds:
                tag, shown = f"<{_clock(time)}>", time
            space = "" if index == 0 or word.joins_previous else " "
            line += f"{space}{tag}{escape(word.text, quote=False)}"
        rows.append(line)
    return "\n".join(rows)


def _clock(seconds: float, point: str = ".") -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"
