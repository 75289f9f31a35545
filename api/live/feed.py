"""One subscription to Prefect for all who listen to jobs through this process; none while nobody listens.

A poller looks at all jobs that are listened to, in a few calls a second whatever their number and however many listen
(:mod:`api.gateway.watching` says why it polls). What it finds goes into the story of each job, which its listeners
share: there is no queue for any of them.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio

from api.live.place import Place
from api.live.story import KEPT_LINES, Event, Listener, Story
from data.domain.errors import DailiesError, NotFoundError, StreamsBusyError
from data.domain.identity import Caller

if TYPE_CHECKING:
    from api.gateway.watching import JobWatch, Look

LATE = timedelta(seconds=15)
"""How late a line may reach Prefect: processes send theirs every two seconds."""
LINGER_SECONDS = 3.0
"""So long after its end the last lines of a job may still come."""
LONG_OVER = timedelta(seconds=30)
"""A job that ended so long ago has nothing more to say, whatever small differences there are between clocks."""

KEPT_SECONDS = 5.0
"""A job stays looked at for so long after its last listener has left, since most come back."""

logger = logging.getLogger(__name__)


class Channel:
    """One job, and those who listen to it."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.listeners = 0
        self.changed = asyncio.Event()
        self.left_at = time.monotonic()
        self.ended_at: float | None = None

    def tell(self) -> None:
        """Wake everybody who waits for something new."""
        told, self.changed = self.changed, asyncio.Event()
        told.set()


class JobFeed:
    """Tells listeners what happens to jobs. Lives as long as the application, on its event loop."""

    def __init__(
        self, watch: "JobWatch", *, most_listeners: int, poll_seconds: float, kept_seconds: float = KEPT_SECONDS
    ) -> None:
        self._watch = watch
        self._most_listeners = most_listeners
        self._poll_seconds = poll_seconds
        self._kept_seconds = kept_seconds
        self._channels: dict[str, Channel] = {}
        self._opening = asyncio.Lock()
        self._poller: asyncio.Task[None] | None = None
        self._read_at = datetime.now(UTC)

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return sum(channel.listeners for channel in self._channels.values())

    async def join(self, job_id: str, caller: Caller) -> Channel:
        """Begin to listen; whoever does must :meth:`leave`.

        Raises:
            NotFoundError: There is no such job, or it is not the caller's.
            StreamsBusyError: As many listen as may.
            OrchestratorUnavailableError: Prefect is away.
        """
        if self.listeners >= self._most_listeners:
            raise StreamsBusyError(
                f"{self._most_listeners} streams are open, which is the most. Poll instead, or come back later.",
                {"limit": self._most_listeners},
            )
        async with self._opening:  # many who come at once for the same job cost one look
            channel = self._channels.get(job_id)
            if channel is None or channel.story.is_gone:
                channel = await self._open(job_id)
            if not caller.owns(channel.story.job.owner):
                raise NotFoundError(f"There is no job {job_id}.")
            channel.listeners += 1
            self._channels[job_id] = channel
            if self._poller is None or self._poller.done():
                self._begin_to_poll()
        return channel

    def leave(self, channel: Channel) -> None:
        """Stop listening. Soon after its last listener a job is not looked at any more."""
        channel.listeners -= 1
        channel.left_at = time.monotonic()

    async def events(self, channel: Channel, place: Place, stopping: anyio.Event | None = None) -> AsyncIterator[Event]:
        """Tell what is new from a place on, as it happens, until the job's end.

        Args:
            channel: What was joined.
            place: What was told before.
            stopping: Set when the server stops: who listens is then asked to come back.
        """
        listener = Listener(channel.story, place)
        while True:
            changed = channel.changed
            for event in listener.news():
                yield event
                if event.kind in ("end", "reconnect"):
                    return
            await _either(changed, stopping)
            if stopping is not None and stopping.is_set():
                yield listener.dismissed("restart")
                return

    async def close(self) -> None:
        """Stop looking."""
        if self._poller is not None:
            self._poller.cancel()
            with suppress(asyncio.CancelledError):
                await self._poller

    async def _open(self, job_id: str) -> Channel:
        if not self._channels:
            self._read_at = datetime.now(UTC)
        moves = await self._watch.transitions(job_id)
        look = (await self._watch.look([job_id])).get(job_id)
        if look is None:
            raise NotFoundError(f"There is no job {job_id}.")
        channel = Channel(Story(look, moves))
        channel.story.add(await self._watch.last_lines(look.run_ids, KEPT_LINES + 1))
        _settle(channel)
        return channel

    def _begin_to_poll(self) -> None:
        self._poller = asyncio.create_task(self._poll())
        self._poller.add_done_callback(self._begin_anew)

    def _begin_anew(self, poller: asyncio.Task[None]) -> None:
        """Go on after an error that nobody foresaw: those who listen would hear a heartbeat, and nothing else."""
        if not poller.cancelled() and (error := poller.exception()) is not None:
            logger.error("Jobs are looked at anew for those who listen, after an error.", exc_info=error)
            self._begin_to_poll()

    async def _poll(self) -> None:
        is_away = False
        while self._channels:
            await asyncio.sleep(self._poll_seconds)
            self._forget()
            try:
                await self._look_again(dict(self._channels))
                is_away = False
            except DailiesError as error:
                if not is_away:  # once: the heartbeat goes on, and what is missed meanwhile is told afterwards
                    logger.warning("Jobs cannot be looked at for those who listen: %s", error)
                is_away = True

    def _forget(self) -> None:
        """Drop the jobs to which nobody listens any more."""
        oldest = time.monotonic() - self._kept_seconds
        for job_id, channel in list(self._channels.items()):
            if not channel.listeners and (channel.left_at <= oldest or channel.story.is_gone):
                del self._channels[job_id]

    async def _look_again(self, channels: dict[str, Channel]) -> None:
        if not channels:
            return
        began_at = datetime.now(UTC)
        looks = await self._watch.look(channels)
        moved = [each for each, look in looks.items() if look.moved_at != channels[each].story.look.moved_at]
        for job_id in moved:
            with suppress(NotFoundError):  # deleted in between: the next look says so
                channels[job_id].story.moves = await self._watch.transitions(job_id)
        runs = {run_id: channels[each] for each, look in looks.items() for run_id in look.run_ids}
        lines = await self._watch.lines(runs, self._read_at - LATE)
        self._read_at = began_at
        for job_id, channel in channels.items():
            new = channel.story.add(line for line in lines if runs[line.run_id] is channel)
            if _take(channel, looks.get(job_id)) or new:
                channel.tell()


async def _either(changed: asyncio.Event, stopping: anyio.Event | None) -> None:
    """Wait until something changed, or the server stops."""
    waits = [asyncio.ensure_future(each.wait()) for each in (changed, stopping) if each is not None]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()


def _take(channel: Channel, look: "Look | None") -> bool:
    """Take a look at a job into its story; say whether anything changed."""
    story = channel.story
    before = (story.look.job, story.is_over, story.is_gone)
    if look is None:
        story.is_gone = True
    else:
        story.look = look
    _settle(channel)
    return before != (story.look.job, story.is_over, story.is_gone)


def _settle(channel: Channel) -> None:
    """Decide whether the story is at its end: the job's last lines come a little later than its last state."""
    story, now = channel.story, time.monotonic()
    if not story.has_ended:
        channel.ended_at, story.is_over = None, False
        return
    channel.ended_at = now if channel.ended_at is None else channel.ended_at
    moved_at = story.look.moved_at
    is_long_over = moved_at is not None and datetime.now(UTC) - moved_at > LONG_OVER
    story.is_over = is_long_over or now - channel.ended_at >= LINGER_SECONDS
