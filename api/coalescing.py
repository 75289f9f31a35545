"""Reads that many ask for at the same time: who comes together shares one call, and what it found holds for a while.

A hundred clients that poll a hundred jobs would be a hundred questions to Prefect each time; so they are one.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

MOST_READS = 2
"""Reads under way at a time; who comes meanwhile goes with the next one."""
PRUNE_ABOVE = 512
"""With more entries than this, those that have grown old are dropped."""


class CoalescedReads(Generic[Key, Value]):
    """Reads by key, in batches. Lives as long as the application, in one event loop.

    Args:
        read: Reads some keys at once; leaves out those that there are none of.
        keep_seconds: For how long a value is told again; 0 shares nothing but the calls.
        most: Keys of one read.
    """

    def __init__(
        self,
        read: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Value]]],
        *,
        keep_seconds: float,
        most: int = 100,
    ) -> None:
        self._read = read
        self._keep_seconds = keep_seconds
        self._most = most
        self._kept: dict[Key, tuple[float, Value | None]] = {}
        self._waiting: dict[Key, asyncio.Future[Value | None]] = {}
        self._under_way: dict[Key, asyncio.Future[Value | None]] = {}
        self._readers: set[asyncio.Task[None]] = set()

    async def get(self, key: Key) -> Value | None:
        """Return the value of a key, ``None`` if there is none. Raises what the read raises."""
        kept = self._kept.get(key)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        future = self._waiting.get(key)
        if future is None and self._keep_seconds:
            future = self._under_way.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
            self._start_reading()
        return await asyncio.shield(future)  # one who leaves takes nothing from the others

    def forget(self, key: Key) -> None:
        """Let the next one who asks learn it anew: the caller has just changed it."""
        self._kept.pop(key, None)
        self._under_way.pop(key, None)

    def _start_reading(self) -> None:
        if len(self._readers) < MOST_READS:
            reader = asyncio.create_task(self._read_all())
            self._readers.add(reader)
            reader.add_done_callback(self._readers.discard)

    async def _read_all(self) -> None:
        while self._waiting:
            keys = list(self._waiting)[: self._most]
            futures = {key: self._waiting.pop(key) for key in keys}
            self._under_way |= futures
            reading = asyncio.ensure_future(self._read(keys))
            try:
                await asyncio.wait([reading])
            finally:
                reading.cancel()  # only where this task itself is cancelled does it still run
                self._settle(futures, reading)

    def _settle(
        self, futures: dict[Key, "asyncio.Future[Value | None]"], reading: "asyncio.Future[Mapping[Key, Value]]"
    ) -> None:
        until = time.monotonic() + self._keep_seconds
        if len(self._kept) > PRUNE_ABOVE:
            self._kept = {key: kept for key, kept in self._kept.items() if kept[0] > time.monotonic()}
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
                    self._kept[key] = (until, value)
