"""What providers still have of jobs that are over."""

from prefect import flow

from tasks.generations import settle_at_providers
from tasks.policies import FLOW_POLICY


@flow(name="settle-generations", **FLOW_POLICY)
def settle_generations() -> list[str]:
    """Stop at their providers what nobody wants, and fetch what is made and paid; upkeep makes such a run."""
    return settle_at_providers()
