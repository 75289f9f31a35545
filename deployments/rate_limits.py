"""Rate limits of the providers of generations, kept by Prefect for all processes."""

from prefect.client.orchestration import SyncPrefectClient

from data.domain.limits import rate_limit_name
from data.settings import GenerationSettings

_AT_ONCE = 10
"""A tenth of a minute's requests may come at once."""


def apply_rate_limits(client: SyncPrefectClient, settings: GenerationSettings) -> None:
    """Write the limits of the providers that have one; the rest of the minute's requests comes evenly after a burst."""
    for provider in settings.providers:
        if provider.requests_per_minute is not None:
            burst = max(1, provider.requests_per_minute // _AT_ONCE)
            evenly = max(1, provider.requests_per_minute - burst)
            client.upsert_global_concurrency_limit_by_name(
                rate_limit_name(provider.name), limit=burst, slot_decay_per_second=evenly / 60
            )
