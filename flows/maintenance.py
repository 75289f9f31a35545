"""Upkeep, every minute."""

from prefect import flow

from tasks.policies import FLOW_POLICY
from tasks.upkeep import (
    delete_expired,
    feed_batches,
    is_retention_due,
    reconcile_copies,
    reconcile_generations,
    reconcile_records,
    reconcile_runs,
    show_findings,
    sweep_scratch,
)


@flow(name="maintenance", **FLOW_POLICY)
def maintenance() -> dict[str, list[str]]:
    """Put right what crashes left behind, try crashed jobs again and, once an hour, delete what is past its time."""
    findings = {**reconcile_runs(), **sweep_scratch(), **reconcile_records(), **feed_batches()}
    findings |= {**reconcile_generations(), **reconcile_copies()}
    if is_retention_due():
        findings |= delete_expired()
    show_findings(findings)
    return findings
