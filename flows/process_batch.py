"""A batch, from its manifest to its report: register → validate → plan → feed → report."""

from prefect import flow
from prefect.runtime import flow_run

from data.domain.batches import ENDED_BATCHES, Batch, BatchOptions
from data.domain.sources import file_name
from tasks.batches import plan_batch, register_batch, validate_batch
from tasks.bulk.feeding import is_to_be_fed, is_to_be_reported
from tasks.feed import feed_batch, read_batch
from tasks.policies import FLOW_POLICY
from tasks.report import report_batch
from tasks.stopping import stoppable


def run_name() -> str:
    """Name a run for people: by the batch's name, else by its manifest."""
    parameters = flow_run.get_parameters() or {}
    name = parameters.get("name") or file_name(str(parameters.get("manifest", "")))
    return str(name or flow_run.get_name() or "batch")


@flow(name="process-batch", flow_run_name=run_name, **FLOW_POLICY)
def process_batch(
    manifest: str = "", name: str = "", batch_id: str = "", options: BatchOptions | None = None, owner: str = ""
) -> Batch:
    """Take a manifest in, check and plan it, feed its rows to the work pools until all have ended, and report.

    The run may die at any moment; the next attempt goes on where it was, without loss or double. A batch that waits
    for a person (a dry run, an approval) is left there; a run with its ``batch_id`` goes on with it.

    Args:
        manifest: CSV, JSONL or Parquet: an absolute path below an allowed root, ``s3://…``, ``https://…``
            or ``upload:<id>``; a folder is all the videos in it. Not needed for a batch that is known; else empty
            takes the manifest, or the watched folder, of the settings. ``{date}`` is the date that the run is due.
        name: Name for people; the manifest's by default.
        batch_id: Of a batch that is known; empty makes a new one.
        options: What was chosen.
        owner: Account (e-mail address or id) that the batch belongs to: it sees the batch, and its webhooks are told.
            Empty takes the owner that the settings name, else admins alone see it. A known batch keeps its own.
    """
    with stoppable(gives_way=False):
        batch_id = register_batch(manifest, name, options or BatchOptions(), batch_id, owner).id
        validate_batch(batch_id)
        if read_batch(batch_id).state not in ENDED_BATCHES:
            plan_batch(batch_id)
        if is_to_be_fed(read_batch(batch_id)):
            feed_batch(batch_id)
        batch: Batch = read_batch(batch_id)
        if is_to_be_reported(batch, flow_run.get_id()):
            report_batch(batch_id)
    return batch
