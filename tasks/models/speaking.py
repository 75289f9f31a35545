"""What is said for what is written: numbers, money, years and signs as a person reads them aloud, word by word.

Each written word keeps the words that are said for it, so that captions show what was written while it is spoken.
Nothing is added to what was written, and what no English voice can say (emoji, other scripts) is not said.
"""

import re
import unicodedata
from dataclasses import dataclass

_MARKS = {
    **dict.fromkeys("。．", "."),
    **dict.fromkeys("，、", ","),
    **dict.fromkeys("：", ":"),
    **dict.fromkeys("；", ";"),
    **dict.fromkeys("！", "!"),
    **dict.fromkeys("？", "?"),
    **dict.fromkeys("–―", "—"),
}
_HEARD_MARKS = ";:,.!?—…"
_CURRENCIES = {"$": "dollar", "€": "euro", "£": "pound", "¥": "yen"}
_SIGNS = {"&": " and ", "@": " at ", "%": " percent", "+": " plus ", "=": " equals ", "°": " degrees ", "#": " number "}
_SHORTENED = {
    "dr.": "doctor",
    "mr.": "mister",
    "mrs.": "missus",
    "ms.": "miz",
    "prof.": "professor",
    "st.": "saint",
    "vs.": "versus",
    "etc.": "et cetera",
    "e.g.": "for example",
    "i.e.": "that is",
    "approx.": "approximately",
}
_QUOTES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"'})
_YEAR = re.compile(r"(1[1-9]|20)(\d\d)(s?)")
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(am|pm)?", re.IGNORECASE)
_MONEY = re.compile(r"([$€£¥])(\d[\d,]*)(?:\.(\d\d))?([kmb]?)", re.IGNORECASE)
_RANGE = re.compile(r"(?<=\d)[-–](?=\d)")
_SCALES = {"k": " thousand", "m": " million", "b": " billion", "": ""}


@dataclass(frozen=True)
class SpokenWord:
    """A written word, and what is said for it."""

    written: str
    said: str
    """Empty for what is not said."""
    mark: str
    """The punctuation after it that is heard as a pause or a tone; empty or one character."""


def spoken_words(text: str) -> tuple[SpokenWord, ...]:
    """Divide a text at its blanks and say how each word is read aloud."""
    written = text.split()
    around = ["", *written, ""]
    return tuple(_spoken(word, around[place + 2], around[place]) for place, word in enumerate(written))


def _spoken(word: str, after: str, before: str) -> SpokenWord:
    plain = unicodedata.normalize("NFKC", word).translate(_QUOTES)
    mark = _mark(plain)
    core = plain.strip("\"'()[]{}<>*_~`^|\\/" + _HEARD_MARKS + "".join(_MARKS))
    if plain.lower().lstrip("\"'([") in _SHORTENED:
        return SpokenWord(word, _SHORTENED[plain.lower().lstrip("\"'([")], "")
    said = " ".join(_read(core, after, before).split())
    return SpokenWord(word, said if any(c.isalnum() for c in said) else "", mark)


def _mark(word: str) -> str:
    tail = word.rstrip("\"')]}*_")
    last = _MARKS.get(tail[-1:], tail[-1:])
    if tail.endswith("..."):
        return "…"
    return last if last in _HEARD_MARKS else ("—" if tail in {"-", "--"} else "")


def _read(core: str, after: str, before: str) -> str:
    if found := _MONEY.fullmatch(core):
        return _money(found, after)
    if before[:1] in _CURRENCIES and core.lower() in {"thousand", "million", "billion", "trillion"}:
        return f"{core} {_CURRENCIES[before[0]]}s"
    if found := _YEAR.fullmatch(core):
        return _year(found)
    if found := _CLOCK.fullmatch(core):
        return _clock(found)
    text = _RANGE.sub(" to ", core)
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    text = re.sub(r"(?<=[A-Za-z])\.(?=[A-Za-z]{2})", " dot ", text)
    for sign, name in _SIGNS.items():
        text = text.replace(sign, name)
    return "".join(character if _is_english(character) else " " for character in text)


def _money(found: re.Match[str], after: str) -> str:
    sign, whole, cents, scale = found.groups()
    amount, unit = whole.replace(",", ""), _CURRENCIES[sign]
    if after.lower().strip(".,;:!?") in {"thousand", "million", "billion", "trillion"}:
        return amount + (f".{cents}" if cents else "")  # the unit is said after the scale
    units = unit if (amount == "1" and not scale) or unit == "yen" else f"{unit}s"
    rest = f" {int(cents)}" if cents and int(cents) else ""
    return f"{amount}{_SCALES[scale.lower()]} {units}{rest}"


def _year(found: re.Match[str]) -> str:
    century, rest, plural = found.groups()
    if rest == "00":
        return f"{century}00{plural}" if century == "20" else f"{century} hundred{plural}"
    if century == "20" and rest < "10":
        return f"{century}{rest}{plural}"
    return f"{century} {'oh ' + rest[1] if rest[0] == '0' else rest}{plural}"


def _clock(found: re.Match[str]) -> str:
    hour, minutes, half = found.groups()
    said = "" if minutes == "00" else f" oh {minutes[1]}" if minutes[0] == "0" else f" {minutes}"
    return f"{int(hour)}{said}{' ' + ' '.join(half) if half else ''}"


def _is_english(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character in "'.-"
    return character.isalpha() and unicodedata.name(character, "").startswith("LATIN")
