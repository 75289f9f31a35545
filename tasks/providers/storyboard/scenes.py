"""Divides what is to be said into scenes: at sentence marks first, and long sentences at their clauses.

Only the user's own words are ever said or shown: a bare prompt is its own script.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from data.domain.generations import GenerationRequest

LONGEST_SCENE = 150
"""Characters of one scene; about nine seconds."""
_SHORTEST_SCENE = 20
_LONGEST_TITLE = 90

# A mark ends a sentence before a blank, and in scripts without blanks at once.
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？])[」』”’]*|\n{2,}")
_CLAUSE = re.compile(r"(?<=[,;:—–])\s+|(?<=[、，；：])|\s+(?=[–—]\s)")
_NOT_AN_END = re.compile(r"(?:\b(?:Dr|Mr|Mrs|Ms|Prof|St|vs|etc|e\.g|i\.e|approx|No|Inc|Ltd)|\b[A-Z])\.$", re.IGNORECASE)


@dataclass(frozen=True)
class Scene:
    """What is said and shown at once."""

    text: str
    """Written words, without leading, trailing and double blanks."""
    is_title: bool = False
    """Opens the video."""
    is_said: bool = True
    """A title that belongs to a script is shown, not said."""
    ends_sentence: bool = True


def scenes_of(request: GenerationRequest) -> Iterator[Scene]:
    """Return the scenes of a request, one by one: a long script is never held twice.

    A short prompt that comes with a script is its title. Nothing comes of text without anything to be seen.
    """
    script, prompt = request.script.strip(), clean(request.prompt)
    if script and prompt and len(prompt) <= _LONGEST_TITLE:
        yield Scene(prompt, is_title=True, is_said=False)
    first = not (script and prompt and len(prompt) <= _LONGEST_TITLE)
    for scene in _divided(script or request.prompt):
        yield Scene(scene.text, is_title=first, ends_sentence=scene.ends_sentence)
        first = False


def clean(text: str) -> str:
    """Return a text on one line, without control characters, bidirectional overrides and double blanks."""
    kept = (c if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} else _blank(c) for c in text)
    return " ".join("".join(kept).split())


def _blank(character: str) -> str:
    # Joiners make emoji and Indic letters what they are.
    return character if character in "\u200c\u200d" else "" if character in "\u200b\ufeff\u00ad" else " "


def _divided(text: str) -> Iterator[Scene]:
    pending = ""
    for sentence in _sentences(text):
        joined = f"{pending} {sentence}".strip()
        if len(joined.encode()) < _SHORTEST_SCENE:  # "Yes. No." makes no scene of its own
            pending = joined
            continue
        if pending and len(joined) > LONGEST_SCENE:
            yield Scene(pending)
            joined = sentence
        pending = ""
        parts = _clauses(joined)
        for index, part in enumerate(parts):
            yield Scene(part, ends_sentence=index == len(parts) - 1)
    if pending:
        yield Scene(pending)


def _sentences(text: str) -> Iterator[str]:
    held = ""
    start = 0
    for found in [*_SENTENCE.finditer(text), None]:
        end = found.end() if found else len(text)
        piece = clean(text[start:end])
        start = end
        held = f"{held} {piece}".strip()
        if found and (_ends_within(held) or text[end : end + 1].islower()):
            continue
        if _is_shown(held):
            yield held
        held = ""


def _ends_within(text: str) -> bool:
    """Whether the last mark belongs to a shortened word or an initial, and the sentence goes on."""
    return bool(_NOT_AN_END.search(text)) if not text.endswith("I.") else False


def _is_shown(text: str) -> bool:
    return any(unicodedata.category(character)[0] in "LNS" for character in text)


def _clauses(sentence: str) -> list[str]:
    """Cut a long sentence into parts of about the same length, at clauses where there are any, else between words."""
    if len(sentence) <= LONGEST_SCENE:
        return [sentence]
    pieces = [piece.strip() for piece in _CLAUSE.split(sentence) if piece and piece.strip()]
    pieces = [part for piece in pieces for part in _between_words(piece)]
    count = -(-len(sentence) // LONGEST_SCENE)
    aim = len(sentence) / count
    parts = [pieces[0]]
    for piece in pieces[1:]:
        joined = f"{parts[-1]} {piece}"
        if len(joined) <= LONGEST_SCENE and len(parts[-1]) + len(piece) / 2 <= aim:
            parts[-1] = joined
        else:
            parts.append(piece)
    return parts


def _between_words(piece: str) -> list[str]:
    if len(piece) <= LONGEST_SCENE:
        return [piece]
    count = -(-len(piece) // LONGEST_SCENE)
    aim = len(piece) / count
    parts = [""]
    for word in piece.split(" "):
        for chunk in (word[i : i + LONGEST_SCENE] for i in range(0, len(word), LONGEST_SCENE)):
            if parts[-1] and len(parts[-1]) + 1 + len(chunk) / 2 > aim:
                parts.append(chunk)
            else:
                parts[-1] = f"{parts[-1]} {chunk}".strip()
    return parts
