"""The date in a manifest's address: ``/in/{date}.csv`` is another file every night."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from data.domain.windows import known_zone

_DATE = re.compile(r"\{date(?::([^{}]*))?\}")


def in_zone(address: str, time_zone: str) -> str:
    """Return an address whose dates say of which time zone they are: ``{date:Europe/Berlin}``."""
    return address.replace("{date}", f"{{date:{time_zone}}}")


def dated(address: str, moment: datetime, time_zone: str) -> str:
    """Return an address with its dates filled in, as ``2026-11-22``.

    Args:
        address: May hold ``{date}`` and ``{date:Europe/Berlin}``, any number of times.
        moment: Aware; a night run's is when it was due, not when it came to start.
        time_zone: Of the dates that name none.

    Raises:
        ValueError: A time zone is none.
    """
    return _DATE.sub(lambda found: _date(moment, found[1] or time_zone), address)


def _date(moment: datetime, time_zone: str) -> str:
    return moment.astimezone(ZoneInfo(known_zone(time_zone))).date().isoformat()
