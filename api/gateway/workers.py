"""Looking at workers: whether anybody would carry out what waits."""

from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import WorkerStatus

from api.gateway.translation import translated
from data.domain.errors import NotFoundError


async def is_paused(client: PrefectClient, pool: str) -> bool:
    """Say whether a pool is paused, so that its workers take no new runs; a pool that does not exist is not."""
    try:
        with translated():
            return (await client.read_work_pool(pool)).is_paused
    except NotFoundError:
        return False


async def count_live_workers(client: PrefectClient, pool: str) -> int:
    """Return how many workers of a pool sent a heartbeat lately; 0 as well for a pool that does not exist."""
    try:
        with translated():
            workers = await client.read_workers_for_work_pool(pool)
    except NotFoundError:
        return 0
    now = datetime.now(UTC)
    return sum(
        worker.status is WorkerStatus.ONLINE
        and worker.last_heartbeat_time is not None
        and now - worker.last_heartbeat_time < timedelta(seconds=3 * (worker.heartbeat_interval_seconds or 30))
        for worker in workers
    )
