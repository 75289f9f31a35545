"""How often a caller may ask: windows counted in memory, or in a Redis that all processes share.

When the Redis is away every process counts for itself and asks it again a few seconds later: limits are there to
protect the service, so their store must neither take it down nor leave the door open.
"""

import logging
import math
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import (
    FixedWindowRateLimiter,
    MovingWindowRateLimiter,
    RateLimiter,
    SlidingWindowCounterRateLimiter,
)
from limits.errors import StorageError
from prometheus_client import Counter

from data.settings import LimitSettings

logger = logging.getLogger(__name__)

REDIS_SECONDS = 0.5
"""Longest wait for it."""

STORE_FAILURES = Counter("dailies_limit_store_failures", "Times that the shared store of limits did not answer.")
REFUSED = Counter("dailies_limited_calls", "Calls that were refused because of a limit.", ["group"])

_WINDOWS: dict[str, type[RateLimiter]] = {
    "fixed": FixedWindowRateLimiter,
    "sliding": SlidingWindowCounterRateLimiter,
    "moving": MovingWindowRateLimiter,
}


@dataclass(frozen=True)
class Standing:
    """Where a caller stands within one limit."""

    group: str
    is_allowed: bool
    limit: int
    remaining: int
    reset_seconds: int
    """Until (some of) the calls are forgotten."""
    window_seconds: int

    @property
    def headers(self) -> dict[str, str]:
        """``RateLimit-*`` as draft-ietf-httpapi-ratelimit-headers-06 has them."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_seconds),
            "RateLimit-Policy": f"{self.limit};w={self.window_seconds}",
        }


class Rates:
    """Counts calls and bytes by group and subject. Lives as long as the application.

    Args:
        settings: Which window, and where the Redis is.
        away_seconds: For so long a Redis that failed is not asked again: nobody shall wait for it at every call.
    """

    def __init__(self, settings: LimitSettings, *, away_seconds: float = 5.0) -> None:
        window = _WINDOWS[settings.window]
        own = self._own_storage = MemoryStorage()
        self._own, self._own_sums = window(own), FixedWindowRateLimiter(own)
        self._redis: Any = None
        self._shared: RateLimiter | None = None
        self._shared_sums: RateLimiter | None = None
        self._away_seconds = away_seconds
        self._away_until = 0.0
        if settings.storage is not None and settings.storage.get_secret_value():
            storage = self._redis_storage(settings.storage.get_secret_value())
            self._shared, self._shared_sums = window(storage), FixedWindowRateLimiter(storage)

    async def take(self, group: str, subject: str, rate: str) -> Standing:
        """Count one call and say where its caller stands.

        Args:
            group: The kind of call.
            subject: Who calls.
            rate: As the settings have it: `10/minute`.
        """
        return await self._asked(self._shared, self._own, group, subject, _item(rate), 1)

    async def standing(self, group: str, subject: str, rate: str) -> Standing:
        """Say where a caller stands, and count nothing."""
        if self._shared is None and not (self._own_storage.storage or self._own_storage.events):
            return _untouched(group, _item(rate))  # nobody is counted, as of those who failed to log in mostly
        return await self._asked(self._shared, self._own, group, subject, _item(rate), 0)

    async def spend(self, group: str, subject: str, a_day: int, amount: int) -> Standing:
        """Count an amount against what a caller has a day, as far as there is room for it."""
        item = _item(f"{a_day}/day")
        # The library counts what it refuses, too: a file too large for today would leave no room for a small one.
        standing = await self._asked(self._shared_sums, self._own_sums, group, subject, item, 0)
        if standing.remaining < amount:
            return replace(standing, is_allowed=False)
        return await self._asked(self._shared_sums, self._own_sums, group, subject, item, amount)

    async def left(self, group: str, subject: str, a_day: int) -> Standing:
        """Say how much a caller has left of what it may spend in a day."""
        return await self._asked(self._shared_sums, self._own_sums, group, subject, _item(f"{a_day}/day"), 0)

    async def close(self) -> None:
        """Give connections back."""
        if self._redis is not None:
            await self._redis.aclose()

    def _redis_storage(self, url: str) -> Storage:
        from redis.asyncio import ConnectionPool  # only where there is one: it takes a while to load
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        pool = ConnectionPool.from_url(
            url,
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis = pool
        return RedisStorage(
            f"async+{url}",
            wrap_exceptions=True,
            implementation="redispy",
            key_prefix="dailies",
            connection_pool=pool,  # type: ignore[arg-type]  # the library takes one and says otherwise
        )

    async def _asked(
        self, shared: RateLimiter | None, own: RateLimiter, group: str, subject: str, item: RateLimitItem, cost: int
    ) -> Standing:
        if shared is not None and time.monotonic() >= self._away_until:
            try:
                return await _counted(shared, group, subject, item, cost)
            except StorageError as error:
                self._away_until = time.monotonic() + self._away_seconds
                STORE_FAILURES.inc()
                reason = type(error.storage_error).__name__
                logger.warning("The store of limits is away (%s); each process counts for itself.", reason)
        return await _counted(own, group, subject, item, cost)


def _untouched(group: str, item: RateLimitItem) -> Standing:
    seconds = item.get_expiry()
    return Standing(
        group, is_allowed=True, limit=item.amount, remaining=item.amount, reset_seconds=1, window_seconds=seconds
    )


@lru_cache(maxsize=64)
def _item(rate: str) -> RateLimitItem:
    return parse(rate)


async def _counted(limiter: RateLimiter, group: str, subject: str, item: RateLimitItem, cost: int) -> Standing:
    is_allowed = await limiter.hit(item, group, subject, cost=cost) if cost else True
    reset_at, remaining = await limiter.get_window_stats(item, group, subject)
    if not cost:
        is_allowed = remaining > 0
    return Standing(
        group=group,
        is_allowed=is_allowed,
        limit=item.amount,
        remaining=max(0, remaining),
        reset_seconds=max(1, math.ceil(reset_at - time.time())),
        window_seconds=item.get_expiry(),
    )
