"""The story of one job, shared by all who listen to it, and what is new in it for one of them. Pure."""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import orjson

from api.cursors import LogPosition, encode_log_positions
from api.live.place import Place
from api.schemas import Job, Transition
from data.domain.jobs import TERMINAL_STATES

if TYPE_CHECKING:
    from api.gateway.watching import Line, Look

KEPT_LINES = 1_000
"""Lines of a job's log that are held in memory for its listeners; earlier ones are at Prefect."""

EventKind = Literal["state", "progress", "log", "gap", "end", "reconnect"]


@dataclass(frozen=True)
class Event:
    """One thing to tell."""

    kind: EventKind
    data: dict[str, Any]
    place: Place
    """Where the listener is once it has heard this."""


@dataclass
class Story:
    """What is known of a job. Lives as long as somebody listens; grows in one place, is read by many."""

    look: "Look"
    moves: tuple[Transition, ...] = ()
    is_over: bool = False
    """The job has ended, and nothing more will be logged."""
    is_gone: bool = False
    """The job was deleted."""
    lines: deque["Line"] = field(default_factory=deque)
    first: int = 0
    """The number of the first line that is held."""
    cut_at: datetime | None = None
    """Time of the newest line that is not held any more."""
    _known: dict[UUID, None] = field(default_factory=dict)

    @property
    def job(self) -> Job:
        """The job as it was last seen."""
        return self.look.job

    @property
    def has_ended(self) -> bool:
        """Whether the job has ended; lines may still be on their way."""
        return self.job.state in TERMINAL_STATES

    def add(self, lines: Iterable["Line"]) -> bool:
        """Take lines in the order in which they came to be known; say whether there was a new one."""
        new = [line for line in lines if line.id not in self._known]
        for line in new:
            self._known[line.id] = None
            self.lines.append(line)
        while len(self.lines) > KEPT_LINES:
            gone = self.lines.popleft()
            self.first += 1
            self.cut_at = max(self.cut_at or gone.at, gone.at)
        while len(self._known) > 4 * KEPT_LINES:  # Prefect is asked again only for the latest seconds
            del self._known[next(iter(self._known))]
        return bool(new)


class Listener:
    """One who listens: knows its place, and takes from the story what it has not heard."""

    def __init__(self, story: Story, place: Place) -> None:
        self._story = story
        self._place = place
        self._came_with = place
        self._joined_at = story.first + len(story.lines)
        self._next = story.first
        self._is_first = True

    def news(self) -> Iterator[Event]:
        """Take everything that is new, in the order of its time; progress only as it is now.

        Who is so slow that lines are gone before they were told is asked to come back: only the story grows, never
        a queue for one who does not read.
        """
        story = self._story
        if self._is_first:
            self._is_first = False
            yield from self._gap()
        elif self._next < story.first:
            yield self.dismissed("too_slow")
            return
        if not self._place.has_ended or self._new_moves():
            told: list[tuple[datetime, Transition | Line]] = [(move.at, move) for move in self._new_moves()]
            told += [(line.at, line) for line in self._new_lines()]
            for _, each in sorted(told, key=lambda pair: pair[0]):
                yield self._move(each) if isinstance(each, Transition) else self._line(each)
            yield from self._now()

    def dismissed(self, reason: str) -> Event:
        """Ask the listener to come back, and go on from where it is."""
        return Event("reconnect", {"reason": reason}, self._place)

    def _gap(self) -> Iterator[Event]:
        """Say where to read the lines that were logged since the listener's place, and are not held any more."""
        cut_at, until = self._story.cut_at, self._came_with.read_until()
        if cut_at is not None and (until is None or until < cut_at):
            after = encode_log_positions(self._came_with.lines) if self._came_with.lines else None
            yield Event("gap", {"after": after, "until": cut_at}, self._place)

    def _new_moves(self) -> list[Transition]:
        return [move for move in self._story.moves if not self._place.has_heard(move)]

    def _new_lines(self) -> list["Line"]:
        story, start = self._story, self._next
        self._next = story.first + len(story.lines)
        fresh = []
        for number, line in enumerate(story.lines, story.first):
            # What came to be known after the listener joined is new to it, though its time may be an earlier one.
            is_known = number < self._joined_at and self._came_with.has_read(line.run_id, line.id, line.at)
            if number >= start and not is_known:
                fresh.append(line)
        return fresh

    def _move(self, move: Transition) -> Event:
        is_last = move is self._story.moves[-1]
        # The last state is told as the job shows it: Prefect says `paused` while the work is still being stopped.
        job = self._story.job
        shown = move.model_copy(update={"state": job.state, "reason": job.reason}) if is_last else move
        self._place = replace(self._place, moved_at=move.at, state=shown.state.value, has_ended=False)
        return Event("state", {"job_id": job.id, **shown.model_dump(mode="json")}, self._place)

    def _line(self, line: "Line") -> Event:
        old = self._place.lines.get(line.run_id)
        if old is None or line.at > old.at:
            position = LogPosition(line.at, (line.id,))
        else:
            position = LogPosition(old.at, (*old.seen, line.id) if line.at == old.at else old.seen)
        self._place = replace(self._place, lines={**self._place.lines, line.run_id: position})
        return Event("log", line.shown.model_dump(mode="json"), self._place)

    def _now(self) -> Iterator[Event]:
        """Tell what has no history: a pause that has taken hold, the progress, and the end."""
        job = self._story.job
        if job.state.value != self._place.state:
            self._place = replace(self._place, state=job.state.value)
            yield Event("state", _state(job), self._place)
        progress = _progress(job)
        digest = hashlib.sha256(orjson.dumps(progress)).hexdigest()[:12]
        if digest != self._place.progress:
            self._place = replace(self._place, progress=digest)
            yield Event("progress", {"job_id": job.id, **progress}, self._place)
        if (self._story.is_over or self._story.is_gone) and not self._place.has_ended:
            self._place = replace(self._place, has_ended=True)
            yield Event("end", {**_state(job), "is_deleted": self._story.is_gone}, self._place)


def has_nothing_more(story: Story, place: Place) -> bool:
    """Say whether a listener that comes back has heard the story to its end."""
    return story.is_over and place.has_ended and all(place.has_heard(move) for move in story.moves)


def _state(job: Job) -> dict[str, Any]:
    shown = job.model_dump(mode="json", include={"state", "reason", "message", "attempt", "finished_at"})
    return {"job_id": job.id, **shown}


def _progress(job: Job) -> dict[str, Any]:
    names = {"step", "steps", "progress", "reason", "position", "next_try_at", "attempt"}
    return job.model_dump(mode="json", include=names)
