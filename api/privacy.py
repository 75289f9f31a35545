"""What the API keeps to itself: where files lie on our machines. Pure.

Errors name scratch files, tools and folders, which is right in the logs of the machine; to a caller they say nothing
but how the machine is laid out.
"""

import re
from collections.abc import Mapping

from data.domain.errors import Fact

_WORD = r"""(?:[^\s/:'"`,;()<>\[\]|]|:(?![\s/]))+"""
_FOLDER = rf"{_WORD}(?:\x20{_WORD})*/+"
_PATH = re.compile(
    rf"""
    (?P<address>\b(?!file:)[a-z][a-z0-9+.-]*://\S*)         # no path, though it looks like one
    | (?P<quote>['"`])(?:file:)?(?://)?/[^'"`\n]*/(?P<quoted>[^'"`/\n]*)(?P=quote)
    | (?<![\w./~-])(?:file://)?/+(?:{_FOLDER})+             # folders; the last part stays
    """,
    re.VERBOSE,
)


def without_local_paths(text: str, *, known: str = "") -> str:
    """Return a text with every absolute path of two or more parts shortened to ``…/`` and its last part.

    Args:
        text: A message for a person.
        known: An absolute path that the caller gave; it stays as it is.
    """
    if not known.startswith("/") or not known.strip("/"):
        return _PATH.sub(_shortened, text)
    parts = re.split(rf"(?<![\w/]){re.escape(known)}(?![\w/-])", text)
    return known.join(_PATH.sub(_shortened, part) for part in parts)


def facts_without_local_paths(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """Return an error's facts as a caller may see them."""
    return {name: _fact_without_paths(fact) for name, fact in facts.items()}


def _fact_without_paths(fact: Fact) -> Fact:
    if isinstance(fact, str):
        return without_local_paths(fact)
    return [without_local_paths(each) for each in fact] if isinstance(fact, list) else fact


def _shortened(found: re.Match[str]) -> str:
    if found["address"]:
        return found[0]
    return f"{found['quote']}…/{found['quoted']}{found['quote']}" if found["quote"] else "…/"
