"""The life of the relay: one of several processes relays, another takes over when it ends, however it ends."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.gateway import PrefectGateway
from api.relay.collecting import Collector
from api.relay.delivering import Courier
from api.relay.sending import open_sender
from api.turns import in_turn
from data.database import Database
from data.domain.errors import CatalogueUnavailableError
from data.settings import Settings

LOCK = "webhook-relay"
TAKE_OVER_SECONDS = 3.0
"""How often a process that does not relay looks whether the one that does has ended."""

logger = logging.getLogger(__name__)


@asynccontextmanager
async def relaying(gateway: PrefectGateway, database: Database, settings: Settings) -> AsyncIterator[None]:
    """Relay while the block runs, if the settings say so."""
    if not settings.webhooks.relay:
        yield
        return
    relay = asyncio.create_task(run_relay(gateway, database, settings), name=LOCK)
    try:
        yield
    finally:
        relay.cancel()
        await asyncio.wait([relay])


async def run_relay(gateway: PrefectGateway, database: Database, settings: Settings) -> None:
    """Relay whenever nobody else does, until cancelled; whatever ends it otherwise is logged, and it begins anew."""
    while True:
        shift = asyncio.create_task(in_turn(database, LOCK, lambda: _shift(gateway, database, settings)))
        try:
            await asyncio.wait([shift])
        finally:
            shift.cancel()
            await asyncio.wait([shift])
        error = None if shift.cancelled() else shift.exception()
        if isinstance(error, CatalogueUnavailableError) or _is_about_the_catalogue(error):
            logger.warning("Webhooks wait for the catalogue.")
        elif error is not None and not isinstance(error, TimeoutError):
            logger.error("The relay of webhooks begins anew after an error.", exc_info=error)
        await asyncio.sleep(TAKE_OVER_SECONDS)


async def _shift(gateway: PrefectGateway, database: Database, settings: Settings) -> None:
    """Relay until something is wrong."""
    chosen, news = settings.webhooks, asyncio.Event()
    async with (
        open_sender(
            allow_private_hosts=chosen.allow_private_hosts,
            timeout_seconds=chosen.timeout_seconds,
            max_concurrency=chosen.max_concurrency,
        ) as sender,
        asyncio.TaskGroup() as group,
    ):
        logger.info("This process delivers the webhooks.")
        collector = Collector(
            gateway,
            database,
            public_url=settings.api.public_url,
            poll_seconds=chosen.poll_seconds,
            news=news,
        )
        group.create_task(collector.run())
        group.create_task(Courier(database, sender, chosen, news).run())


def _is_about_the_catalogue(error: BaseException | None) -> bool:
    """Whether the catalogue, and nothing else, ended the tasks of a shift."""
    return isinstance(error, BaseExceptionGroup) and error.split(CatalogueUnavailableError)[1] is None
