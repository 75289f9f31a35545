"""What a step says of itself beside its progress: the one line that the Prefect UI shows and the API reads."""

import re
from datetime import UTC, datetime
from typing import Self

from data.domain.model import DomainModel

WAITING_FOR_SLOT = "waiting_for_slot"
"""Reason of a job that waits: for its run's turn on the work pool, or for an encode slot of its machine."""

RETRY_WAIT = "retry_wait"
"""Reason of a job that waits for its next try: of its run, or of the step that failed."""

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_LINE = re.compile(
    r"(?P<step>[^(]*?)(?: \((?P<reason>[a-z_]+)(?: (?P<position>\d+))?(?: until (?P<until>[0-9TZ:-]+))?\))?"
)


class StepStatus(DomainModel):
    """A step, and what it waits for if it does."""

    step: str
    reason: str | None = None
    position: int | None = None
    """Place in the queue, 1 for the next one."""
    until: datetime | None = None
    """When it goes on by itself, to the second; in UTC."""

    def line(self) -> str:
        """Return the status as a line for people: ``transcode``, or ``transcode (waiting_for_slot 2)``."""
        if self.reason is None:
            return self.step
        position = "" if self.position is None else f" {self.position}"
        until = "" if self.until is None else f" until {self.until.astimezone(UTC).strftime(_TIME)}"
        return f"{self.step} ({self.reason}{position}{until})"

    @classmethod
    def read(cls, line: str) -> Self:
        """Return the status that a line tells; a line that is none is the name of a step nobody knows."""
        found = _LINE.fullmatch(line)
        if found is None:
            return cls(step=line)
        position, until = found["position"], found["until"]
        try:
            at = datetime.strptime(until, _TIME).replace(tzinfo=UTC) if until else None
        except ValueError:
            return cls(step=line)
        return cls(step=found["step"], reason=found["reason"], position=int(position) if position else None, until=at)
