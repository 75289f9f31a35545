"""How far a listener has come in the story of a job: what a server-sent event carries as its id. Pure."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from api.cursors import LogPosition, decode_stream_place, encode_stream_place
from api.schemas import Transition


@dataclass(frozen=True)
class Place:
    """What a listener has been told. Any process can go on from it: nothing of it is known to one alone."""

    moved_at: datetime | None = None
    """Of the last state that was told, when the job came into it."""
    state: str = ""
    """That state as the job shows it: a pause turns from `pausing` to `paused` without a move at Prefect."""
    progress: str = ""
    """Digest of the progress that was told last."""
    has_ended: bool = False
    """The end was told."""
    lines: dict[uuid.UUID, LogPosition] = field(default_factory=dict)
    """The last line of each run's log that was told, as in the cursors of logs."""

    def encode(self) -> str:
        """Return the place as the id of an event."""
        moved_at = self.moved_at.isoformat() if self.moved_at else None
        return encode_stream_place([moved_at, self.state, self.progress, self.has_ended], self.lines)

    @classmethod
    def decode(cls, text: str) -> "Place":
        """Read the id of an event.

        Raises:
            InvalidRequestError: It is none of ours.
        """
        (moved_at, state, progress, has_ended), lines = decode_stream_place(text)
        return cls(moved_at, str(state), str(progress), bool(has_ended), lines)

    def has_heard(self, move: Transition) -> bool:
        """Say whether a state was told."""
        return self.moved_at is not None and move.at <= self.moved_at

    def has_read(self, run_id: uuid.UUID, line_id: uuid.UUID, at: datetime) -> bool:
        """Say whether a line was told."""
        position = self.lines.get(run_id)
        return position is not None and (at < position.at or (at == position.at and line_id in position.seen))

    def read_until(self) -> datetime | None:
        """Return the time of the last line that was told."""
        return max((position.at for position in self.lines.values()), default=None)
