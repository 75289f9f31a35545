"""Numbers, durations and times in words that are right for none, one and many."""

import re
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

_IRREGULAR = {"has": "have", "is": "are", "was": "were", "it": "them"}


def number(value: float) -> str:
    """Return a whole number with thousands set apart: ``12,345``."""
    return f"{round(value):,}"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: ``no rows``, ``1 row``, ``1,000 rows``."""
    return f"{number(count) if count else 'no'} {noun if count == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """Return the plural of a noun or little verb that the reports use."""
    if noun in _IRREGULAR:
        return _IRREGULAR[noun]
    return noun[:-1] + "ies" if noun.endswith("y") else noun + "s"


def either(count: int, word: str) -> str:
    """Return the word (``was``, ``it``, ``row``) as it agrees with a count."""
    return word if count == 1 else plural(word)


def listed(parts: Sequence[str]) -> str:
    """Return ``a``, ``a and b`` or ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def capital(sentence: str) -> str:
    """Return the sentence with its first letter large, and the rest as it is."""
    return sentence[:1].upper() + sentence[1:]


def duration(seconds: float) -> str:
    """Return a duration as exact as it matters: ``0.4 s``, ``3 min 20 s``, ``28 min``, ``1 h 48 min``, ``3 d 4 h``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s" if seconds >= 0.05 else "0 s"
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 600:
        return _two(divmod(total, 60), "min", "s")
    if round(total / 60) < 60:
        return f"{round(total / 60)} min"
    if total < 2 * 86_400:
        return _two(divmod(round(total / 60), 60), "h", "min")
    return _two(divmod(round(total / 3600), 24), "d", "h")


def _two(parts: tuple[int, int], large: str, small: str) -> str:
    return f"{number(parts[0])} {large}" + (f" {parts[1]} {small}" if parts[1] else "")


def share(part: float, whole: float) -> str:
    """Return a share in percent that never says 0 % of something or 100 % of not all."""
    if not whole:
        return "0 %"
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "< 0.1 %"
    if 99.9 < percent < 100:
        return "> 99.9 %"
    return f"{percent:.1f} %" if 0 < percent < 10 or 99 < percent < 100 else f"{percent:,.0f} %"


def kept_together(sentence: str) -> str:
    """Return the sentence with spaces that do not break between a number and the word that follows it."""
    return re.sub(r"(?<=\d) (?=[a-z%×])", "\u00a0", sentence)


def money(amount: float, currency: str) -> str:
    """Return an amount with its currency: ``12.30 USD``; small amounts keep the digits that matter."""
    return f"{amount:,.2f} {currency}" if not amount or abs(amount) >= 0.1 else f"{amount:.4f} {currency}"


def rate(value: float) -> str:
    """Return a rate with about two digits: ``0.4``, ``3.2``, ``48``, ``1,200``."""
    return f"{value:.1f}".removesuffix(".0") if value < 10 else number(value)


class Clock:
    """Writes moments as clocks show them at one place, with the date where the time alone would be ambiguous.

    Args:
        time_zone: IANA name of the place.
        begins_at: Beginning of what is reported, aware.
        ends_at: End of it; over a day or more, every time gets its date.
    """

    def __init__(self, time_zone: str, begins_at: datetime, ends_at: datetime) -> None:
        self.time_zone = time_zone
        self._zone = ZoneInfo(time_zone)
        self._begins = begins_at.astimezone(self._zone)
        self._ends = ends_at.astimezone(self._zone)
        self._is_long = (self._ends - self._begins).total_seconds() >= 20 * 3600

    def time(self, moment: datetime) -> str:
        """Return ``04:12``, or ``22 Nov 04:12``."""
        local = moment.astimezone(self._zone)
        near = abs((local - self._begins).total_seconds()) < 20 * 3600
        clock = local.strftime("%H:%M")
        return clock if near and not self._is_long else f"{local.day} {local.strftime('%b')} {clock}"

    def mark(self, moment: datetime, step_seconds: int) -> str:
        """Return a moment as short as an axis needs it: with seconds, with minutes, or a day where one begins."""
        local = moment.astimezone(self._zone)
        if step_seconds >= 86_400 or (self._is_long and (local.hour, local.minute) == (0, 0)):
            return f"{local.day} {local.strftime('%b')}"
        return local.strftime("%H:%M:%S" if step_seconds < 60 else "%H:%M")

    def exact(self, moment: datetime) -> str:
        """Return ``2026-11-22 04:12:38`` as clocks there show it."""
        return moment.astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S %Z")

    @property
    def days(self) -> str:
        """The day or days: ``Sunday, 22 November 2026`` or ``21 to 22 November 2026``."""
        first, last = self._begins.date(), self._ends.date()
        if first == last:
            return f"{first.strftime('%A')}, {first.day} {first.strftime('%B %Y')}"
        if (first.year, first.month) == (last.year, last.month):
            return f"{first.day} to {last.day} {last.strftime('%B %Y')}"
        year = f" {first.year}" if first.year != last.year else ""
        return f"{first.day} {first.strftime('%B')}{year} to {last.day} {last.strftime('%B %Y')}"
