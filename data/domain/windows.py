"""The night window: when a batch may start work, in the wall-clock time of a place."""

from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator

from data.domain.model import DomainModel


class AtEnd(StrEnum):
    """What happens to a batch that is not done when its window closes."""

    FINISH = "finish"
    """Go on until it is done."""
    PAUSE = "pause"
    """Start nothing more, and go on when the window opens again."""
    SHED = "shed"
    """Go on with high priority only; the rest is cancelled and goes into the retry manifest."""


def known_zone(name: str) -> str:
    """Return the name of a time zone if it is one.

    Raises:
        ValueError: The IANA database has none of that name.
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone of the IANA database (for example Europe/Berlin)") from error
    return name


ZoneName = Annotated[str, AfterValidator(known_zone)]


class NightWindow(DomainModel):
    """A daily span of time, such as 22:00–06:00 in Europe/Berlin; it may cross midnight. Equal ends: the whole day."""

    opens: time
    closes: time
    time_zone: ZoneName = "UTC"
    at_end: AtEnd = AtEnd.FINISH

    @classmethod
    def parse(cls, text: str, time_zone: str = "UTC", at_end: AtEnd = AtEnd.FINISH) -> Self:
        """Read ``22:00-06:00`` (a hyphen or an en dash).

        Raises:
            ValueError: It is not of that form.
        """
        opens, _, closes = text.replace("–", "-").partition("-")
        return cls(
            opens=time.fromisoformat(opens.strip()),
            closes=time.fromisoformat(closes.strip()),
            time_zone=time_zone,
            at_end=at_end,
        )

    def is_open(self, now: datetime) -> bool:
        """Say whether the window is open at a moment (aware)."""
        clock = now.astimezone(ZoneInfo(self.time_zone)).time()
        if self.opens == self.closes:
            return True
        if self.opens < self.closes:
            return self.opens <= clock < self.closes
        return clock >= self.opens or clock < self.closes

    def next_opening(self, now: datetime) -> datetime:
        """Return the first moment (UTC), now or later, at which the window is open."""
        return now.astimezone(UTC) if self.is_open(now) else self._next(self.opens, now)

    def next_closing(self, now: datetime) -> datetime | None:
        """Return when the window that is open now, or opens next, closes (UTC); ``None`` when it never does."""
        return None if self.opens == self.closes else self._next(self.closes, self.next_opening(now))

    def _next(self, clock: time, after: datetime) -> datetime:
        """Return the next moment at which clocks there show that; one that summer time skips is taken as it falls."""
        zone = ZoneInfo(self.time_zone)
        local = after.astimezone(zone)
        for days in range(3):
            moment = datetime.combine(local.date() + timedelta(days=days), clock, zone).astimezone(UTC)
            if moment > after:
                return moment
        raise AssertionError("a clock shows every time within two days")
