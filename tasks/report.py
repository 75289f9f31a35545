"""The report stage: what came of an ended batch, as files in the object store and as a page in the Prefect UI."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.logging import get_run_logger

from data.database import Database
from data.domain.batches import Batch
from data.domain.keys import batch_output_key
from data.domain.model import DomainModel
from data.domain.nights import NightFacts, ReportLinks
from data.manifests import Manifest, open_manifest
from data.repositories import BatchRepository
from data.settings import Settings, get_settings
from data.storage import ObjectStore, open_store
from tasks.policies import TASK_POLICY
from tasks.reporting.markdown import report_markdown
from tasks.reporting.outputs import BatchOutputs
from tasks.reporting.sentences import equation, outcome
from tasks.workspace import workspace

ARTIFACT_KEY = "batch-report"
_CONTENT_TYPES = {".html": "text/html; charset=utf-8", ".csv": "text/csv; charset=utf-8"}


class BatchReport(DomainModel):
    """What a report came to."""

    batch_id: str
    headline: str
    balances: bool
    """Whether every row of the manifest is accounted for."""
    retry_rows: int
    """Rows to try again."""
    outputs: Mapping[str, str]
    """Keys in the object store by name, as the batch has them now."""


@task(task_run_name="report", **TASK_POLICY)
def report_batch(batch_id: str) -> BatchReport:
    """Write the results manifest, the retry manifest and the morning report of a batch that has ended.

    The same batch again gives the same files in the same places. An equation that does not balance is shown loudly in
    the report and logged as an error; it hides nothing and stops nobody from reading on.
    """
    settings = get_settings()
    store = open_store(settings.storage_url, **settings.storage_options)
    database = Database(settings.catalogue_url)
    batch = _batch(database, batch_id)
    with workspace() as scratch:
        outputs = BatchOutputs(database, batch, scratch)
        manifest = _fetched_manifest(store, batch, scratch)
        outputs.write_results(manifest)
        retry_rows = outputs.write_retry(manifest, Path(batch.manifest_key or "").suffix) if manifest else 0
        batch = _store(store, database, batch, outputs.files)
        outputs.batch = batch
        facts = outputs.write_report(_links(settings, batch), datetime.now(UTC))
        batch = _store(store, database, batch, {"report": outputs.files["report"]})
    _show(facts)
    return BatchReport(
        batch_id=batch.id,
        headline=outcome(facts),
        balances=equation(facts).balances,
        retry_rows=retry_rows,
        outputs=batch.outputs,
    )


def _batch(database: Database, batch_id: str) -> Batch:
    with database.session() as session:
        return BatchRepository(session).get(batch_id)


def _fetched_manifest(store: ObjectStore, batch: Batch, scratch: Path) -> Manifest | None:
    """Return the store's copy of the manifest; ``None`` when the batch was refused because it is none."""
    if batch.manifest_key is None or not batch.rows:
        return None
    copy = store.fetch(batch.manifest_key, scratch / Path(batch.manifest_key).name)
    return open_manifest(copy, Path(batch.manifest_uri).name)


def _store(store: ObjectStore, database: Database, batch: Batch, files: Mapping[str, Path]) -> Batch:
    """Put files into the store, note their keys with the batch, and return it."""
    keys = {name: batch_output_key(batch.id, path.name) for name, path in files.items()}
    for name, path in files.items():
        store.put_file(path, keys[name], _CONTENT_TYPES.get(path.suffix))
    with database.session() as session:
        BatchRepository(session).add_outputs(batch.id, keys)
    return _batch(database, batch.id)


def _links(settings: Settings, batch: Batch) -> ReportLinks:
    """Point at the API where it has an address that others can reach, else at the files beside the report."""
    public, runs = settings.api.public_url.rstrip("/"), f"{settings.api.prefect_ui_url.rstrip('/')}/runs/flow-run/"
    if not public:
        return ReportLinks(run_base=runs, files={name: Path(key).name for name, key in batch.outputs.items()})
    base = f"{public}/api/v1/batches/{batch.id}"
    files = {
        "results_csv": f"{base}/results?format=csv",
        "results_parquet": f"{base}/results?format=parquet",
        "retry": f"{base}/retry-manifest",
        "rejects": f"{base}/rejects",
        "report": f"{base}/report",
    }
    return ReportLinks(watch_base=f"{public}/watch/", run_base=runs, files=files)


def _show(facts: NightFacts) -> None:
    """Say it in the log, and on the run's page."""
    logger, balance = get_run_logger(), equation(facts)
    logger.info("%s", outcome(facts))
    if not balance.balances:
        logger.error("The batch does not balance: %s", " ".join(balance.problems))
    create_markdown_artifact(report_markdown(facts), key=ARTIFACT_KEY, description=outcome(facts))
