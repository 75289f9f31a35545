"""Copies at publish targets that no job is at: those of approved versions, and those that are to go."""

from prefect import flow

from tasks.copies import bring_up_to_date
from tasks.policies import FLOW_POLICY


@flow(name="update-copies", **FLOW_POLICY)
def update_copies() -> list[str]:
    """Make the copies of what people approved, and take away what is to go; upkeep makes such a run."""
    return bring_up_to_date()
