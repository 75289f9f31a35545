"""Things that last: from when to when a check held, told as an event when it is over.

What holds from the first look to the last is what a video is, and nothing that happens in it: no event.
"""

from dataclasses import dataclass, field

from data.domain.analysis import Event, EventKind


@dataclass(slots=True)
class Spell:
    """One kind of thing that lasts; tells only what lasted long enough.

    Args:
        kind: Of the events.
        least_seconds: What is shorter is not told.
    """

    kind: EventKind
    least_seconds: float
    is_throughout: bool = field(default=False, init=False)
    """Whether it was so at every look; known at the end."""
    _since: tuple[int, float] | None = field(default=None, init=False)
    _is_always: bool = field(default=True, init=False)

    def look(self, is_so: bool, frame: int, at_seconds: float) -> list[Event]:
        """Take the next frame and return what is over."""
        if is_so:
            self._since = self._since or (frame, at_seconds)
            return []
        self._is_always = False
        return self._over(at_seconds)

    def end(self, at_seconds: float) -> list[Event]:
        """Say that it is over, at the latest."""
        self.is_throughout |= self._is_always and self._since is not None
        if self.is_throughout:
            self._since = None
        return self._over(at_seconds)

    def _over(self, at_seconds: float) -> list[Event]:
        since, self._since = self._since, None
        if since is None or at_seconds - since[1] < self.least_seconds - 1e-6:
            return []
        seconds = round(at_seconds - since[1], 3)
        return [Event(kind=self.kind, at_seconds=round(since[1], 3), frame=since[0], value=seconds)]
