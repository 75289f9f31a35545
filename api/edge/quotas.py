"""How much one caller may upload: files at once, and bytes in a day."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.edge.rates import Rates, Standing
from data.domain.errors import QuotaSpentError
from data.domain.identity import LOCAL_USER
from data.settings import LimitSettings

GROUP = "upload_bytes"
EVERYBODY_HERE = f"user:{LOCAL_USER}"
"""Where nobody needs to log in, all are one caller."""


class UploadQuotas:
    """Keeps the uploads of each caller within its quota. Lives as long as the application."""

    def __init__(self, rates: Rates, settings: LimitSettings) -> None:
        self._rates = rates
        self._settings = settings
        self._under_way: Counter[str] = Counter()

    @asynccontextmanager
    async def upload(self, subject: str, size_bytes: int) -> AsyncIterator[None]:
        """Hold a place among the caller's uploads.

        Args:
            subject: Who uploads.
            size_bytes: What the call says of its size; 0 where it says nothing.

        Raises:
            QuotaSpentError: So many are under way, or there is no room for so much today.
        """
        most = self._settings.uploads_at_once
        if self._under_way[subject] >= most and subject != EVERYBODY_HERE:
            raise QuotaSpentError(f"{most} uploads are under way already.", {"limit": most, "retry_after_seconds": 5})
        standing = await self._rates.left(GROUP, subject, self._settings.upload_bytes_a_day)
        if standing.remaining < max(1, size_bytes):
            raise _spent(standing)
        self._under_way[subject] += 1
        try:
            yield
        finally:
            self._under_way[subject] -= 1
            if not self._under_way[subject]:
                del self._under_way[subject]

    async def spend(self, subject: str, size_bytes: int) -> None:
        """Count what arrived.

        Raises:
            QuotaSpentError: It was more than there is room for today.
        """
        standing = await self._rates.spend(GROUP, subject, self._settings.upload_bytes_a_day, size_bytes)
        if not standing.is_allowed:
            raise _spent(standing)


def _spent(standing: Standing) -> QuotaSpentError:
    return QuotaSpentError(
        f"Of the {standing.limit} bytes that may be uploaded in a day, {standing.remaining} are left.",
        {
            "limit": standing.limit,
            "remaining": standing.remaining,
            "retry_after_seconds": standing.reset_seconds,
        },
    )
