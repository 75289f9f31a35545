"""Reads an ended batch a chunk at a time, and writes what came of it: results, retry manifest and report."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pandas as pd

from data.database import Database
from data.domain.batches import Batch, BatchItem, BatchState, ItemState
from data.domain.nights import NightFacts, ReportLinks
from data.domain.retries import RetryFilter
from data.manifests import Manifest
from data.repositories import BatchItemRepository, BatchStoryRepository, CopyRepository, PublicationRepository
from tasks.reporting.inputs import CHUNK_ROWS, input_frames
from tasks.reporting.report import report_html
from tasks.reporting.results import ResultsWriter, joined, results_frame
from tasks.reporting.retry import write_retry
from tasks.reporting.tally import NightTally


@dataclass
class BatchOutputs:
    """The files that are made of one batch, below one local folder. Holds no session while it writes.

    ``files`` has them by their name in :attr:`~data.domain.batches.Batch.outputs`, as they come to be.
    """

    database: Database
    batch: Batch
    folder: Path
    files: dict[str, Path] = field(default_factory=dict)
    _tally: NightTally = field(default_factory=NightTally)
    _rows: int = 0

    def write_results(self, manifest: Manifest | None) -> None:
        """Write ``results.parquet`` and ``results.csv``, and count what became of the rows.

        Args:
            manifest: As it was handed in; without one nothing is written, and only the items are counted.

        Raises:
            ManifestCorruptError: It cannot be read any more.
        """
        if manifest is not None:
            parquet, csv = self.folder / "results.parquet", self.folder / "results.csv"
            with ResultsWriter(parquet, csv, manifest.columns) as writer:
                for inputs in input_frames(manifest):
                    first, self._rows = self._rows + 1, self._rows + len(inputs)
                    results = self._results(self._page(first - 1, limit=len(inputs), until=self._rows))
                    writer.write(joined(inputs, results, first))
            self.files |= {"results_parquet": parquet, "results_csv": csv}
        for items in self._pages(after_row=self._rows):  # rows that the manifest does not have: the equation says so
            self._results(items)

    def write_retry(self, manifest: Manifest, suffix: str) -> int:
        """Write the rows to try again in the manifest's format, if there are any; return how many.

        A batch that was refused as a whole has none: its rows are put right first.
        """
        if self.batch.state is BatchState.REJECTED:
            return 0
        path = self.folder / f"retry{suffix}"
        states = [ItemState.FAILED, ItemState.CANCELLED]
        items = (item for page in self._pages(states=states) for item in page)
        count = write_retry(manifest, items, RetryFilter(), path)
        if count:
            self.files["retry"] = path
        return count

    def write_report(self, links: ReportLinks, made_at: datetime) -> NightFacts:
        """Write ``report.html``, which points to the other files and so comes last, and return the facts in it."""
        with self.database.session() as session:
            story = BatchStoryRepository(session, self.batch)
            pauses, canary, steps = story.pauses(), story.canary(), story.step_actuals()
        facts = self._tally.facts(
            self.batch, self._rows, made_at=made_at, steps=steps, pauses=pauses, canary=canary, links=links
        )
        path = self.folder / "report.html"
        path.write_text(report_html(facts), encoding="utf-8")
        self.files["report"] = path
        return facts

    def _results(self, items: Collection[BatchItem]) -> pd.DataFrame:
        wanted = [(item.asset_id, item.version) for item in items if item.asset_id and item.version]
        with self.database.session() as session:
            publications = PublicationRepository(session).find_all(wanted)
            copies = CopyRepository(session).of_versions(wanted)
        results = results_frame(items, publications, copies)
        self._tally.add(results)
        return results

    def _pages(self, *, states: Collection[ItemState] = (), after_row: int = 0) -> Iterator[tuple[BatchItem, ...]]:
        while items := self._page(after_row, states=states):
            yield items
            after_row = items[-1].row

    def _page(
        self, after_row: int, *, states: Collection[ItemState] = (), limit: int = CHUNK_ROWS, until: int | None = None
    ) -> tuple[BatchItem, ...]:
        with self.database.session() as session:
            found = BatchItemRepository(session).page(self.batch.id, states=states, after_row=after_row, limit=limit)
        return found if until is None else tuple(item for item in found if item.row <= until)
