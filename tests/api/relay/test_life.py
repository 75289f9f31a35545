"""One relays, and when it ends another takes over."""

import asyncio
from pathlib import Path

import pytest

from api.gateway import open_gateway
from api.relay.life import LOCK, relaying
from data.database import Database
from data.named_locks import named_lock
from data.settings import Settings, WebhookSettings
from tests.fakes.catalogues import make_catalogue


def settings_at(home: Path, *, relay: bool = True) -> Settings:
    return Settings(home=home, webhooks=WebhookSettings(relay=relay, poll_seconds=0.05), _env_file=None)


def is_free(database: Database) -> bool:
    try:
        with named_lock(database, LOCK, 0):
            return True
    except TimeoutError:
        return False


async def _until(free: bool, database: Database) -> None:
    async with asyncio.timeout(30):
        while await asyncio.to_thread(is_free, database) is not free:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("relay", [True, False])
def test_the_relay_holds_its_lock_as_long_as_it_lives_and_not_longer(tmp_path: Path, relay: bool) -> None:
    settings = settings_at(tmp_path, relay=relay)
    make_catalogue(settings.catalogue_url)
    database = Database(settings.catalogue_url)

    async def live() -> None:
        async with open_gateway("http://127.0.0.1:9/api", crash_attempts=2) as gateway:
            async with relaying(gateway, database, settings):
                await _until(not relay, database)
            assert await asyncio.to_thread(is_free, database)

    asyncio.run(live())
    database.close()


def test_another_takes_over_when_the_one_that_relays_ends(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    make_catalogue(settings.catalogue_url)
    database = Database(settings.catalogue_url)

    async def live() -> None:
        async with open_gateway("http://127.0.0.1:9/api", crash_attempts=2) as gateway:
            async with relaying(gateway, database, settings):
                await _until(free=False, database=database)
                second = relaying(gateway, database, settings)
                await second.__aenter__()
            await _until(free=False, database=database)
            await second.__aexit__(None, None, None)

    asyncio.run(live())
    database.close()


def test_before_the_catalogue_is_migrated_it_waits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = settings_at(tmp_path)
    database = Database(settings.catalogue_url)

    async def live() -> None:
        async with (
            open_gateway("http://127.0.0.1:9/api", crash_attempts=2) as gateway,
            relaying(gateway, database, settings),
            asyncio.timeout(30),
        ):
            while "Webhooks wait for the catalogue." not in caplog.text:
                await asyncio.sleep(0.05)

    asyncio.run(live())
    database.close()
