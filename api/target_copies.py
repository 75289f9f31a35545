"""Copies at publish targets, as far as a call waits for them: those of what was taken down go at once."""

from fastapi.concurrency import run_in_threadpool

from api.dependencies import Services
from data.copies import check_place, withdraw_due
from data.storage import ObjectStore, open_store


async def withdraw_copies(asset_id: str, services: Services) -> None:
    """Take away the copies of an asset that are to go; where a target does not let go of one, upkeep goes on."""
    options = services.settings.storage_options

    def open_target(url: str) -> ObjectStore:
        check_place(url)
        return open_store(url, **options)

    await run_in_threadpool(withdraw_due, services.database, open_target, asset_id)
