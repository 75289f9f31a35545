"""Where Prefect's server keeps its concurrency leases: in files, as Prefect does it, and proof against a jumping clock.

A lease ends at a time of the server's clock. Where that clock was wrong for a while (a machine that woke up with an
empty battery, a virtual machine that was restored) and the holder died meanwhile, Prefect would believe the lease for
as long as the jump was wide: upkeep, which has one slot, would not run for years. A lease that lies further ahead than
any is ever given has no holder that still renews it, and counts as expired.

The server finds this module by ``PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE``.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.server.concurrency.lease_storage import ConcurrencyLimitLeaseMetadata, filesystem
from prefect.server.utilities.leasing import ResourceLease

LONGEST = timedelta(hours=1)
"""Prefect's clients take and renew leases for five minutes, and its server gives at most an hour by itself."""
PAGE = 100


class ConcurrencyLeaseStorage(filesystem.ConcurrencyLeaseStorage):
    """Prefect's leases in files; one that ends implausibly late has ended. Made anew by the server for every use."""

    async def read_lease(self, lease_id: UUID) -> ResourceLease[ConcurrencyLimitLeaseMetadata] | None:
        """Return a lease, expired if it is none that this server can have given."""
        lease = await super().read_lease(lease_id)
        now = datetime.now(UTC)
        if lease is not None and lease.expiration > now + LONGEST:
            lease.expiration = now
        return lease

    async def read_expired_lease_ids(self, limit: int = PAGE) -> list[UUID]:
        """Return the leases whose slots the server is to take back."""
        expired = await super().read_expired_lease_ids(limit)
        position = 0
        while len(expired) < limit and (active := await self.read_active_lease_ids(PAGE, position)):
            for lease_id in active:
                lease = await self.read_lease(lease_id)
                if lease is not None and lease.expiration <= datetime.now(UTC):
                    expired.append(lease_id)
            position += PAGE
        return expired[:limit]
