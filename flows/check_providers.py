"""Whether the providers of generations would take work now."""

from prefect import flow

from tasks.generations import check_provider
from tasks.policies import FLOW_POLICY
from tasks.providers.checks import ProviderTest


@flow(name="check-providers", **FLOW_POLICY)
def check_providers(providers: list[str]) -> tuple[ProviderTest, ...]:
    """Ask providers whether they would take work, free of charge; ``GET /api/v1/providers/status`` shows the answers.

    Args:
        providers: Their names in the settings.
    """
    return tuple(future.result() for future in [check_provider.submit(name) for name in providers])
