"""Upkeep, every minute."""

from prefect import flow

from tasks.upkeep import sweep_scratch


@flow(name="maintenance")
def maintenance() -> int:
    """Clean up after killed attempts; return how many scratch directories were swept."""
    return len(sweep_scratch())
