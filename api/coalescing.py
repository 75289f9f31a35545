"""Reads that many ask for at the same time: who comes together shares one call, and what it found holds for a while.

A hundred clients that poll a hundred jobs would be a hundred questions to Prefect each time; so they are one. While
there is a crowd, what it asks for is read again as it grows too old; and while that takes its time, the crowd is told
what was known, for as long again: nobody in it waits for Prefect. A crowd that comes back (a script that goes through
its jobs every few seconds) has all that it asked for read together with the first thing that it asks for again. Who
asks alone always learns what is new enough.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

MOST_READS = 2
"""Reads under way at a time; who comes meanwhile goes with the next one."""
PRUNE_ABOVE = 512
"""With more entries than this, those that have grown old are dropped."""
MOST_KEPT = 8192
"""With more entries than this that have not grown old, those read first are dropped as well."""
CROWD = 8
"""So many questions within one turn are a crowd."""
TURNS_WANTED = 4
"""A key that nobody has asked for in so many turns is not read again by itself."""
TURNS_AWAY = 60
"""A crowd that comes back within so many turns asks for the same again."""
SETTLED_TIMES = 5
"""So much longer a value holds that no longer changes by itself."""


class CoalescedReads(Generic[Key, Value]):
    """Reads by key, in batches. Lives as long as the application, in one event loop.

    Args:
        read: Reads some keys at once; leaves out those that there are none of.
        keep_seconds: How old a value may be when it is told; 0 shares nothing but the calls.
        most: Keys of one read.
        is_settled: Says of a value that it no longer changes by itself.
        is_asked_again: Says of a key that a crowd which has asked for it is likely to ask again.
        crowd: So many questions within one turn are a crowd.
        most_kept: Values kept; of many large ones fewer.
    """

    def __init__(
        self,
        read: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Value]]],
        *,
        keep_seconds: float,
        most: int = 100,
        is_settled: Callable[[Value], bool] = lambda _value: False,
        is_asked_again: Callable[[Key], bool] = lambda _key: True,
        crowd: int = CROWD,
        most_kept: int = MOST_KEPT,
    ) -> None:
        self._read = read
        self._keep_seconds = keep_seconds
        self._turn_seconds = keep_seconds / 2
        self._most = most
        self._is_settled = is_settled
        self._is_asked_again = is_asked_again
        self._crowd = crowd
        self._most_kept = most_kept
        self._kept: dict[Key, tuple[float, Value | None]] = {}
        self._waiting: dict[Key, asyncio.Future[Value | None]] = {}
        self._under_way: dict[Key, asyncio.Future[Value | None]] = {}
        self._readers: set[asyncio.Task[None]] = set()
        self._wanted: dict[Key, float] = {}
        self._questions = 0
        self._is_crowd = False
        self._last_crowd: tuple[float, tuple[Key, ...]] = (-math.inf, ())
        self._read_seconds = 0.0
        self._turn: asyncio.TimerHandle | None = None

    async def get(self, key: Key) -> Value | None:
        """Return the value of a key, ``None`` if there is none. Raises what the read raises."""
        if not self._keep_seconds:
            return await asyncio.shield(self._enlisted(key))
        now = time.monotonic()
        if self._is_asked_again(key):
            self._wanted[key] = now
        self._questions += 1
        if self._turn is None:
            self._begin_turn(now)
        left = self._seconds_left(key, now)
        if left > 0:
            return self._kept[key][1]
        reading = self._under_way.get(key) or self._enlisted(key)
        if self._is_crowd and left > -self._keep_seconds:
            return self._kept[key][1]
        return await asyncio.shield(reading)  # one who leaves takes nothing from the others

    def lately(self, key: Key) -> Value | None:
        """Return what was known of a key a moment ago, up to twice as old as it may be told; it is not read for it."""
        return self._kept[key][1] if self._seconds_left(key, time.monotonic()) > -self._keep_seconds else None

    def learn(self, key: Key, value: Value) -> None:
        """Take a value that the caller has just been told by the source itself."""
        self.forget(key)
        if self._keep_seconds:
            self._keep(key, value, time.monotonic())

    def forget(self, key: Key) -> None:
        """Let the next one who asks learn it anew: the caller has just changed it, or must know how it is now."""
        self._kept.pop(key, None)
        self._under_way.pop(key, None)

    async def close(self) -> None:
        """Stop reading."""
        if self._turn is not None:
            self._turn.cancel()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    def _begin_turn(self, now: float) -> None:
        """Count who asks, after a time without a crowd; if it is one that comes back, read all that it asked for."""
        self._turn = asyncio.get_running_loop().call_later(self._turn_seconds, self._next_turn)
        was_there, keys = self._last_crowd
        self._last_crowd = (-math.inf, ())
        if now - was_there < TURNS_AWAY * self._turn_seconds:
            self._read_again(keys, now, 0.0)

    def _next_turn(self) -> None:
        """Read again what a crowd asks for; without one, what grows old is read when somebody asks."""
        now = time.monotonic()
        self._is_crowd, self._questions, self._turn = self._questions >= self._crowd, 0, None
        last = now - TURNS_WANTED * self._turn_seconds
        self._wanted = {key: asked for key, asked in self._wanted.items() if asked > last}
        if not self._is_crowd:
            return
        self._turn = asyncio.get_running_loop().call_later(self._turn_seconds, self._next_turn)
        self._last_crowd = (now, tuple(islice(self._wanted, self._most - 1)))  # what goes with another in one read
        # What is too old at the next turn is read at this one where reads take their time, else when it is too old.
        seconds_left = min(self._turn_seconds, self._turn_seconds / 4 + self._read_seconds)
        # Of more than are kept the next ones would be for nothing.
        self._read_again(islice(self._wanted, self._most_kept), now, seconds_left)

    def _read_again(self, keys: Iterable[Key], now: float, seconds_left: float) -> None:
        for key in keys:
            if key not in self._under_way and self._seconds_left(key, now) < seconds_left:
                self._enlisted(key)

    def _seconds_left(self, key: Key, now: float) -> float:
        """Return how long a value may still be told as it is; infinitely less than nothing where there is none."""
        if (kept := self._kept.get(key)) is None:
            return -math.inf
        read_at, value = kept
        is_settled = value is not None and self._is_settled(value)
        return read_at + self._keep_seconds * (SETTLED_TIMES if is_settled else 1) - now

    def _enlisted(self, key: Key) -> "asyncio.Future[Value | None]":
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
            if len(self._readers) < MOST_READS:
                reader = asyncio.create_task(self._read_all())
                self._readers.add(reader)
                reader.add_done_callback(self._readers.discard)
        return future

    async def _read_all(self) -> None:
        while self._waiting:
            keys = list(self._waiting)[: self._most]
            futures = {key: self._waiting.pop(key) for key in keys}
            self._under_way |= futures
            began = time.monotonic()
            reading = asyncio.ensure_future(self._read(keys))
            try:
                await asyncio.wait([reading])
            finally:
                reading.cancel()  # only where this task itself is cancelled does it still run
                self._settle(futures, reading, began)

    def _settle(
        self,
        futures: dict[Key, "asyncio.Future[Value | None]"],
        reading: "asyncio.Future[Mapping[Key, Value]]",
        began: float,
    ) -> None:
        self._read_seconds = time.monotonic() - began
        for key, future in futures.items():
            is_current = self._under_way.get(key) is future
            if is_current:
                del self._under_way[key]
            if not reading.done() or reading.cancelled():
                future.cancel()
            elif (error := reading.exception()) is not None:
                future.set_exception(error)
                future.exception()  # nobody may be waiting any more
            else:
                value = reading.result().get(key)
                future.set_result(value)
                if is_current and self._keep_seconds:
                    self._keep(key, value, began)
        self._prune()

    def _keep(self, key: Key, value: Value | None, read_at: float) -> None:
        self._kept.pop(key, None)  # what was read last is the last to be dropped
        self._kept[key] = (read_at, value)

    def _prune(self) -> None:
        if len(self._kept) > min(PRUNE_ABOVE, self._most_kept):
            now = time.monotonic()
            self._kept = {
                key: kept for key, kept in self._kept.items() if self._seconds_left(key, now) > -self._keep_seconds
            }
        while len(self._kept) > self._most_kept:
            del self._kept[next(iter(self._kept))]
