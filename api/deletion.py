"""Deleting an asset, or just the file that was handed in: only while no job works on it."""

from fastapi.concurrency import run_in_threadpool

from api.dependencies import Services
from api.target_copies import withdraw_copies
from data.domain.assets import Asset
from data.domain.errors import IllegalMoveError
from data.domain.jobs import TERMINAL_STATES
from data.repositories import AssetRepository
from data.reviews import forget_asset


async def delete_asset(asset_id: str, services: Services) -> None:
    """Delete an asset for its owner; with its last owner, or by an admin, it goes with all that was made of it.

    Raises:
        NotFoundError: There is no such asset.
        IllegalMoveError: A job works on it.
    """
    asset = await _unused(asset_id, services)
    await run_in_threadpool(
        forget_asset, services.store, services.database, asset, services.caller.id, services.caller.only_owner
    )
    await withdraw_copies(asset_id, services)
    services.publications.forget(asset_id)


async def delete_source(asset_id: str, services: Services) -> None:
    """Delete the file that was handed in, once something is public of it; handed in again, it is there again.

    Raises:
        NotFoundError: There is no such asset.
        IllegalMoveError: A job works on it, nothing is public of it yet, or the same content is another's, too.
    """
    await run_in_threadpool(_read, asset_id, services)  # there is one, and it is the caller's to see
    if services.caller.only_owner is not None and await run_in_threadpool(_has_other_owners, asset_id, services):
        message = "Others handed in the same content: its source is theirs, too. `DELETE` the asset to give up yours."
        raise IllegalMoveError(message, {"asset_id": asset_id, "allowed": []})
    asset = await _unused(asset_id, services)
    if await run_in_threadpool(services.publications.current, asset_id) is None:
        message = "Nothing is public of the asset: its source is all that there is."
        raise IllegalMoveError(message, {"asset_id": asset_id, "allowed": []})
    await run_in_threadpool(services.store.delete, asset.source_key)


def _has_other_owners(asset_id: str, services: Services) -> bool:
    with services.database.session() as session:
        return AssetRepository(session).has_owner_besides(asset_id, services.caller.id)


async def _unused(asset_id: str, services: Services) -> Asset:
    """Return an asset that the caller may see, and no job works on."""
    asset, jobs = await run_in_threadpool(_read, asset_id, services)
    looks = await services.gateway.watch().look(jobs)
    busy = [job_id for job_id, look in looks.items() if look.job.state not in TERMINAL_STATES]
    if busy:
        message = f"A job works on the asset ({busy[0]}): cancel it first, or wait."
        raise IllegalMoveError(message, {"asset_id": asset_id, "jobs": busy, "allowed": []})
    return asset


def _read(asset_id: str, services: Services) -> tuple[Asset, list[str]]:
    with services.database.session() as session:
        assets = AssetRepository(session)
        asset = assets.get(asset_id, services.caller.only_owner)
        # An item of a pack is worked on by the run in front of the colon.
        return asset, sorted({job_id.partition(":")[0] for job_id in assets.jobs_of(asset_id)})
