"""``python -m api.relay``: deliver webhooks in a process of its own (``DAILIES_WEBHOOKS__RELAY=false`` for the API)."""

import asyncio
import signal

from api.gateway import open_gateway
from api.relay.life import run_relay
from data.database import Database
from data.settings import Settings, get_settings
from data.telemetry.logs import configure_logs


def main() -> None:
    """Relay until a signal ends it."""
    settings = get_settings()
    configure_logs(settings.log_format, settings.log_level)
    asyncio.run(_relay_until_ended(settings))


async def _relay_until_ended(settings: Settings) -> None:
    database = Database(settings.catalogue_url)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with open_gateway(crash_attempts=settings.orchestration.crash_attempts) as gateway:
        relay = asyncio.create_task(run_relay(gateway, database, settings))
        await ended.wait()
        relay.cancel()
        await asyncio.wait([relay])
    database.close()


if __name__ == "__main__":
    main()
