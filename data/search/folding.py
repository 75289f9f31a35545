"""Words as they are compared: without case, accents and width. Pure."""

import re
import unicodedata

MAX_WORDS = 12
"""Most words of a question that are looked for one by one."""

_WORD = re.compile(r"\w+")


def folded(text: str) -> str:
    """Return a text as it is compared: ``Élan ﬁn`` and ``elan fin`` are the same."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if not unicodedata.combining(c)))


def query_words(question: str) -> tuple[str, ...]:
    """Return the words of a question, folded, each once, without the commonest English ones if there are others."""
    words = tuple(dict.fromkeys(_WORD.findall(folded(question))))
    telling = tuple(word for word in words if word not in _COMMON)
    return (telling or words)[:MAX_WORDS]


_COMMON_ENGLISH = """
    a about an and are as at be but by can do does did for from had has have he her him his how i if in is it its me
    my not of on or our she so that the their them then there these they this to us was we were what when where which
    who why will with you your
"""
_COMMON = frozenset(_COMMON_ENGLISH.split())
