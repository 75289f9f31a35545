"""Work that one of several processes does at a time, for as long as it lives and can prove that its turn lasts."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack, asynccontextmanager
from typing import Any

from data.database import Database
from data.named_locks import NamedLock, named_lock

CHECK_SECONDS = 2.0
"""How often to ask whether the turn lasts: soon after it is lost, another process begins to do the same."""
PATIENCE_SECONDS = 10.0
"""A catalogue that does not say so within that time does not keep the turn either."""

logger = logging.getLogger(__name__)


async def in_turn(
    database: Database,
    name: str,
    work: Callable[[], Coroutine[Any, Any, None]],
    *,
    check_seconds: float = CHECK_SECONDS,
) -> None:
    """Work while it is this process's turn; return when the turn is lost, and the work was cancelled for it.

    Args:
        database: Those who share it take turns.
        name: Of the work.
        work: Ends when it is cancelled.
        check_seconds: How often to ask whether the turn lasts.

    Raises:
        TimeoutError: It is another process's turn.
        CatalogueUnavailableError: The database did not answer.
    """
    async with _holding(database, name) as lock:
        working = asyncio.create_task(work(), name=name)
        watching = asyncio.create_task(_until_lost(lock, check_seconds))
        try:
            await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (working, watching):
                task.cancel()
            await asyncio.wait({working, watching})
        if not working.cancelled():
            working.result()
        else:
            logger.warning("The turn at %s is lost: the connection that held it has ended.", name)


async def _until_lost(lock: NamedLock, check_seconds: float) -> None:
    is_held = True
    while is_held:
        await asyncio.sleep(check_seconds)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                is_held = await asyncio.to_thread(lock.is_held)
        except TimeoutError:
            is_held = False


@asynccontextmanager
async def _holding(database: Database, name: str) -> AsyncIterator[NamedLock]:
    stack = ExitStack()
    taking = asyncio.ensure_future(asyncio.to_thread(stack.enter_context, named_lock(database, name, 0)))
    try:
        yield await asyncio.shield(taking)
    finally:
        await asyncio.wait([taking])  # a thread cannot be cancelled: it may still be given the lock
        await asyncio.to_thread(stack.close)
