"""The report task on a real Prefect server, a real catalogue and a real store."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_LOCAL_STORAGE_PATH,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)

from data.database import Database
from data.domain.batches import Batch, BatchOptions, BatchReason, BatchState
from data.domain.keys import batch_manifest_key
from data.repositories import AssetRepository, BatchItemRepository, BatchRepository, PublicationRepository
from data.settings import get_settings
from data.storage import ObjectStore, open_store
from deployments.stack import Stack
from tasks.report import ARTIFACT_KEY, BatchReport, report_batch
from tests.data.samples import sample_asset, sample_manifest
from tests.fakes.catalogues import make_catalogue

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CORRUPT = {"failure_class": "DATA", "code": "DATA.INPUT.CORRUPT", "message": "=broken", "step": "ingest", "attempt": 1}
MANIFEST = "source;Desk\n/in/a.mp4;news\n/in/b.mp4;=sport\n/in/c.mp4;\n"


class Night:
    """A catalogue and a store with one batch in them."""

    def __init__(self, home: Path) -> None:
        self.store: ObjectStore = open_store(f"file://{home / 'store'}")
        url = f"sqlite:///{home / 'catalogue.db'}"
        make_catalogue(url)
        self.database = Database(url)

    def batch(self, batch_id: str, *, items: bool = True, manifest: str = MANIFEST, **changes: object) -> Batch:
        """Record an ended batch of three rows: one published, one failed, one cancelled."""
        key = batch_manifest_key(batch_id, "csv")
        self.store.put_bytes(manifest.encode(), key)
        values = {
            "id": batch_id,
            "name": "Monday",
            "manifest_uri": "/in/monday.csv",
            "manifest_key": key,
            "options": BatchOptions(),
            "state": BatchState.COMPLETED,
            "rows": manifest.count("\n") - 1,
            "created_at": NOW,
            "started_at": NOW,
            "ended_at": NOW + timedelta(minutes=5),
        }
        batch = Batch.model_validate({**values, **changes})
        with self.database.session() as session:
            BatchRepository(session).create(batch)
        if items:
            self._add_items(batch_id)
        return batch

    def _add_items(self, batch_id: str) -> None:
        asset = sample_asset()
        ended = {"ended_at": NOW + timedelta(minutes=1)}
        published = {"state": "succeeded", "asset_id": asset.id, "version": 1, "attempt": 1, **ended}
        rows = [
            {"row": 1, "custom_id": "a", "recipe": "quick", "source": "/in/a.mp4", **published},
            {
                "row": 2,
                "custom_id": "b",
                "recipe": "quick",
                "source": "/in/b.mp4",
                "state": "failed",
                **CORRUPT,
                **ended,
            },
            {"row": 3, "custom_id": "c", "recipe": "quick", "state": "cancelled", "reason": "failure_budget", **ended},
        ]
        with self.database.session() as session:
            AssetRepository(session).record(asset)
            PublicationRepository(session).record(sample_manifest(asset))
            BatchItemRepository(session).add(batch_id, rows)

    def get(self, batch_id: str) -> Batch:
        with self.database.session() as session:
            return BatchRepository(session).get(batch_id)

    def text(self, batch: Batch, name: str) -> str:
        return self.store.get_bytes(batch.outputs[name]).decode("utf-8-sig")


@pytest.fixture
def night(tmp_path: Path, prefect_server: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    monkeypatch.setenv("DAILIES_HOME", str(tmp_path))
    monkeypatch.setenv("DAILIES_API__PUBLIC_URL", "https://dailies.example/")
    get_settings.cache_clear()
    prefect = {
        PREFECT_API_URL: prefect_server.prefect_api_url,
        PREFECT_LOCAL_STORAGE_PATH: tmp_path / "results",
        PREFECT_LOGGING_TO_API_ENABLED: False,
    }
    night = Night(tmp_path)
    with temporary_settings(prefect):
        yield night
    night.database.close()
    get_settings.cache_clear()


@flow
def report(batch_id: str) -> BatchReport:
    """What the feed does when a batch has ended."""
    return report_batch(batch_id)


def artifacts(server: Stack) -> list[str]:
    key = ArtifactFilter(key=ArtifactFilterKey(any_=[ARTIFACT_KEY]))
    with SyncPrefectClient(server.prefect_api_url) as client:
        return [str(each.data) for each in client.read_artifacts(artifact_filter=key)]


def test_a_batch_leaves_results_a_retry_manifest_and_a_report(night: Night, prefect_server: Stack) -> None:
    night.batch("b1")
    made = report("b1")

    batch = night.get("b1")
    assert (made.headline, made.balances, made.retry_rows) == (
        "3 rows: 1 published, 1 failed and 1 cancelled.",
        True,
        2,
    )
    assert made.outputs == batch.outputs
    assert batch.outputs["report"] == "batches/b1/report.html"
    assert night.text(batch, "retry") == "source;Desk\r\n/in/b.mp4;=sport\r\n/in/c.mp4;\r\n"
    header, first, second, _ = night.text(batch, "results_csv").splitlines()
    assert header.startswith("source,Desk,dailies_row,")
    assert ",succeeded," in first
    assert "master.m3u8" in first
    assert ",'=broken," in second
    html = night.text(batch, "report")
    assert 'href="https://dailies.example/api/v1/batches/b1/retry-manifest"' in html
    assert any("## 3 rows: 1 published, 1 failed and 1 cancelled." in each for each in artifacts(prefect_server))


def test_the_same_report_again_is_the_same(night: Night) -> None:
    night.batch("b2")
    first = report("b2")
    results = night.text(night.get("b2"), "results_csv")

    assert report("b2") == first
    assert night.text(night.get("b2"), "results_csv") == results
    assert len(list(night.store.list("batches/b2/"))) == 5


def test_a_lost_row_is_told_loudly_and_stops_nobody(night: Night) -> None:
    night.batch("b3", manifest=MANIFEST + "/in/lost.mp4;\n")
    made = report("b3")

    assert not made.balances
    assert "1 row of the manifest is unaccounted for." in night.text(night.get("b3"), "report")
    table = pq.read_table(night.store.fetch("batches/b3/results.parquet", Path(get_settings().home_path) / "r.parquet"))
    assert table["dailies_state"].to_pylist() == ["succeeded", "failed", "cancelled", None]


def test_an_item_that_the_manifest_does_not_have_is_noticed(night: Night) -> None:
    night.batch("b4", manifest="source;Desk\n/in/a.mp4;news\n/in/b.mp4;=sport\n")

    assert not report("b4").balances
    assert "There is 1 item more than the manifest has rows." in night.text(night.get("b4"), "report")


def test_a_batch_whose_manifest_is_none_has_a_report_and_no_results(night: Night) -> None:
    refused = {"state": BatchState.REJECTED, "reason": BatchReason.INVALID_MANIFEST, "message": "not a manifest"}
    night.batch("b5", items=False, started_at=None, rows=0, manifest_key=None, **refused)
    made = report("b5")

    assert set(made.outputs) == {"report"}
    assert made.headline == "No rows were taken in."
    assert "not a manifest" in night.text(night.get("b5"), "report")
