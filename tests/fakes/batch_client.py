"""A person with a manifest, for end-to-end tests: submits batches to Prefect and looks into the catalogue."""

import json
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun

from data.database import Database
from data.domain.batches import Batch, BatchItem, BatchWish, ItemCounts
from data.domain.errors import NotFoundError
from data.domain.jobs import ITEM_TAG
from data.repositories import BatchItemRepository, BatchRepository, PublicationRepository
from data.settings import Settings
from data.storage import ObjectStore, open_store
from deployments.stack import Stack


class BatchClient:
    """Submits batches and follows them; lives as long as a test module."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.prefect = SyncPrefectClient(stack.prefect_api_url)
        self.database = Database(stack.environment["DAILIES_CATALOGUE__URL"])
        self.store: ObjectStore = open_store(Settings(home=stack.home, _env_file=None).storage_url)
        self._folder = folder

    def submit(self, rows: Iterable[dict[str, Any]], **options: Any) -> str:
        """Hand in rows as a manifest; return the id of the batch, which is that of its run too."""
        manifest = self._folder / f"{uuid.uuid4().hex}.jsonl"
        manifest.write_text("\n".join(map(json.dumps, rows)))
        return self.submit_manifest(manifest, **options)

    def submit_manifest(self, manifest: Path, **options: Any) -> str:
        deployment = self.prefect.read_deployment_by_name("process-batch/on-demand")
        parameters = {"manifest": str(manifest), "name": manifest.stem, "options": options}
        run = self.prefect.create_flow_run_from_deployment(deployment.id, parameters=parameters)
        return str(run.id)

    def batch(self, batch_id: str) -> Batch:
        with self.database.session() as session:
            return BatchRepository(session).get(batch_id)

    def counts(self, batch_id: str) -> ItemCounts:
        with self.database.session() as session:
            return BatchItemRepository(session).counts(batch_id)

    def items(self, batch_id: str) -> dict[str, BatchItem]:
        with self.database.session() as session:
            return {item.custom_id: item for item in BatchItemRepository(session).all(batch_id)}

    def versions(self, asset_id: str | None) -> int:
        """Return how many versions of an asset are public."""
        with self.database.session() as session:
            return len(PublicationRepository(session).versions(asset_id or ""))

    def wish(self, batch_id: str, wish: BatchWish) -> None:
        with self.database.session() as session:
            BatchRepository(session).set_wish(batch_id, wish)

    def runs(self, batch_id: str) -> list[FlowRun]:
        """Return the runs that the feed made."""
        found: list[FlowRun] = []
        tags = FlowRunFilterTags(all_=[ITEM_TAG, f"batch:{batch_id}"])
        while page := self.prefect.read_flow_runs(
            flow_run_filter=FlowRunFilter(tags=tags), limit=200, offset=len(found)
        ):
            found += page
        return found

    def wait_for(
        self,
        batch_id: str,
        predicate: Callable[[Batch, ItemCounts], object],
        timeout: float = 240,
        every: float = 0.3,
    ) -> Batch:
        """Return the batch once the predicate holds; fail, with the batch, after the timeout (seconds)."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                batch, counts = self.batch(batch_id), self.counts(batch_id)
                if predicate(batch, counts):
                    return batch
                seen = f"{batch.state} {batch.reason} {batch.message} {counts}"
            except NotFoundError:
                seen = "no batch yet"
            assert time.monotonic() < deadline, f"waited {timeout} s in vain: {seen}"
            time.sleep(every)

    def ended(self, batch_id: str, timeout: float = 240, every: float = 0.3) -> Batch:
        """Return the batch once it has ended and its report is there, looking every so many seconds."""
        self.wait_for(batch_id, lambda batch, _: batch.ended_at, timeout, every)
        return self.wait_for(batch_id, lambda batch, _: "report" in batch.outputs, 60)
