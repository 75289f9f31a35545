"""What the API does by itself while it runs."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from api.gateway import PrefectGateway
from data.domain.errors import DailiesError

ROUND_SECONDS = 15
START_GRACE = timedelta(seconds=60)
"""No process takes this long from its worker's decision to its first call to Prefect; a cold one needs about 10 s."""

logger = logging.getLogger(__name__)


@asynccontextmanager
async def finishing_cancellations(gateway: PrefectGateway) -> AsyncIterator[None]:
    """Finish cancellations that Prefect leaves open, for as long as the block runs.

    It keeps nothing in memory, so it makes no difference how many APIs run or how often they restart.
    """

    async def rounds() -> None:
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            try:
                finished = await gateway.finish_cancellations(START_GRACE)
            except DailiesError as error:
                logger.debug("Cancellations were not looked at: %s", error)
            else:
                if finished:
                    logger.info("%d runs that were cancelled before they began are now cancelled.", finished)

    task = asyncio.create_task(rounds(), name="finish cancellations")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
