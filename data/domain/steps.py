"""What a step says of itself beside its progress: the one line that the Prefect UI shows and the API reads."""

import re
from typing import Self

from data.domain.model import DomainModel

WAITING_FOR_SLOT = "waiting_for_slot"
"""Reason of a job that waits: for its run's turn on the work pool, or for an encode slot of its machine."""

_LINE = re.compile(r"(?P<step>[^(]*?)(?: \((?P<reason>[a-z_]+)(?: (?P<position>\d+))?\))?")


class StepStatus(DomainModel):
    """A step, and what it waits for if it does."""

    step: str
    reason: str | None = None
    position: int | None = None
    """Place in the queue, 1 for the next one."""

    def line(self) -> str:
        """Return the status as a line for people: ``transcode``, or ``transcode (waiting_for_slot 2)``."""
        if self.reason is None:
            return self.step
        position = "" if self.position is None else f" {self.position}"
        return f"{self.step} ({self.reason}{position})"

    @classmethod
    def read(cls, line: str) -> Self:
        """Return the status that a line tells; a line that is none is the name of a step nobody knows."""
        found = _LINE.fullmatch(line)
        if found is None:
            return cls(step=line)
        position = found["position"]
        return cls(step=found["step"], reason=found["reason"], position=int(position) if position else None)
