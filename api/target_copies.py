"""Copies at publish targets, as far as a call waits for them: those of what is taken down, or away, go at once."""

import anyio
from anyio.to_thread import run_sync

from api.dependencies import Services
from data.copies import check_place, withdraw_due
from data.domain.errors import NotFoundError
from data.repositories import CopyRepository
from data.storage import ObjectStore, open_store

MOST_SECONDS = 10.0
"""A caller waits so long for targets that do not answer; what is left is upkeep's."""


def want_withdrawn(asset_id: str, target: str, services: Services) -> None:
    """Note that what the target of a name has of an asset is to go.

    Raises:
        NotFoundError: It has nothing of it.
    """
    with services.database.session() as session:
        if not CopyRepository(session).withdraw_at(asset_id, target):
            raise NotFoundError(f"The target {target!r} has nothing of asset {asset_id}.", {"asset_id": asset_id})


async def withdraw_copies(asset_id: str, services: Services) -> None:
    """Take away the copies of an asset that are to go; where a target does not let go of one, upkeep goes on."""

    def open_target(url: str) -> ObjectStore:
        check_place(url)
        return open_store(url, **services.settings.options_at(url))

    with anyio.move_on_after(MOST_SECONDS):
        await run_sync(withdraw_due, services.database, open_target, asset_id, abandon_on_cancel=True)
