"""Upkeep, every minute."""

from prefect import flow

from tasks.upkeep import retry_crashed_jobs, sweep_scratch


@flow(name="maintenance")
def maintenance() -> dict[str, list[str]]:
    """Clean up after killed attempts, and queue crashed jobs again while attempts remain."""
    return {"swept": sweep_scratch(), "retried": retry_crashed_jobs()}
