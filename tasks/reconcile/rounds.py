"""One round of the reconciler, as upkeep carries it out every minute and bootstrap before workers start."""

from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient

from tasks.reconcile.attempts import queue_crashed, retry_rules
from tasks.reconcile.machine import read_machine
from tasks.reconcile.orphans import end_orphans
from tasks.reconcile.runs import put_runs_right

Findings = dict[str, list[str]]
"""What was put right, by kind, in words."""


def reconcile(client: SyncPrefectClient, home: Path, prefect_api_url: str, job_attempts: int) -> Findings:
    """Put right what concerns runs and their processes; return what was done.

    Args:
        client: Prefect's.
        home: This installation's state directory, by which its processes are told from another one's.
        prefect_api_url: Its Prefect API, likewise.
        job_attempts: How often a job may start before a crash is final.
    """
    put_right = put_runs_right(client, lambda: read_machine(home, prefect_api_url))
    again = queue_crashed(client, retry_rules(job_attempts), lambda: read_machine(home, prefect_api_url))
    orphans = end_orphans(client, read_machine(home, prefect_api_url))
    return {
        "runs put right": [f"{each.name} ({each.run_id}): {each.was} → {each.became}" for each in put_right],
        "tried again": [f"{run.name} ({run.id}) after attempt {run.run_count}" for run in again],
        "orphans ended": orphans,
    }
