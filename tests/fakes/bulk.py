"""A small house of batches for tests: a catalogue on SQLite, a store, a folder of sources, and a planner over them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data.database import Database
from data.domain.assets import Asset, SourceFacts
from data.domain.batches import Batch, BatchItem, BatchOptions, ItemCounts
from data.domain.identity import LOCAL_USER
from data.domain.keys import asset_id, source_key, work_key
from data.domain.recipes import Recipe
from data.domain.sources import SourceRules
from data.domain.targets import TargetRules
from data.manifests import ManifestRules
from data.recipes import load_recipe
from data.repositories import (
    AssetRepository,
    BatchItemRepository,
    BatchRepository,
    FulfilmentRepository,
    PublicationRepository,
    SourceVersionRepository,
)
from data.storage import LocalStore
from tasks.bulk.changes import Recipes, look_at_sources
from tasks.bulk.clock import Capacity
from tasks.bulk.costing import Prices
from tasks.bulk.intake import Intake
from tasks.bulk.planning import Planner
from tasks.known_inputs import JoinedClips
from tasks.providers.fingerprints import fingerprint
from tasks.providers.sources import FetchedSource, SourceLimits, fetch_source
from tests.data.samples import TOOLS, sample_manifest
from tests.fakes.catalogues import make_catalogue
from tests.fakes.manifests import write_manifest
from tests.fakes.source_facts import source_facts

NOW = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)


@dataclass
class BatchHouse:
    """Everything that taking in and planning needs, in one folder."""

    root: Path
    looked_into: list[str] = field(default_factory=list)
    """Sources that were probed, in order."""
    facts: dict[str, SourceFacts | Exception] = field(default_factory=dict)
    """What probing a file name finds; a minute of 1080p by default."""
    capacity: Capacity = field(default_factory=lambda: Capacity(encode_slots=2, gpu_slots=1))
    prices: Prices = field(default_factory=Prices)
    now: datetime = NOW
    programs: str = "ffmpeg 9"
    catalogue_url: str = ""
    """SQLite in the folder by default."""

    def __post_init__(self) -> None:
        url = self.catalogue_url or f"sqlite:///{self.root / 'catalogue.db'}"
        make_catalogue(url)
        self.database = Database(url)
        self.store = LocalStore(self.root / "store")
        self.media = self.root / "media"
        for folder in (self.media, self.root / "scratch"):
            folder.mkdir(exist_ok=True)

    @property
    def intake(self) -> Intake:
        return Intake(self.database, self.store, self.root / "scratch")

    @property
    def rules(self) -> ManifestRules:
        return ManifestRules(
            resolve_recipe=load_recipe,
            sources=SourceRules(allowed_roots=(self.media,)),
            targets=TargetRules(allowed=("s3://cdn", "s3://site")),
        )

    @property
    def limits(self) -> SourceLimits:
        return SourceLimits(max_bytes=10**9, allowed_roots=(self.media,))

    @property
    def planner(self) -> Planner:
        return Planner(
            database=self.database,
            recipes=Recipes(
                load_recipe,
                lambda recipe: self.programs,
                lambda recipe: self.programs,
                joined_seconds=JoinedClips(self.database, self.probe).seconds,
            ),
            tools=TOOLS,
            look_at=lambda sources: look_at_sources(sources, self.limits),
            probe=self.probe,
            capacity=self.capacity,
            prices=self.prices,
            now=lambda: self.now,
        )

    def source(self, name: str, content: str = "") -> str:
        """Make a source file and return its path."""
        path = self.media / name
        path.write_text(content or name, encoding="utf-8")
        return str(path)

    def take_in(self, rows: Sequence[dict[str, Any]], batch_id: str = "b1", kind: str = "csv", **options: Any) -> Batch:
        """Register and validate a manifest of such rows."""
        self.register(write_manifest(self.media, rows, kind), batch_id, BatchOptions.model_validate(options))
        return self.intake.validate(batch_id, self.rules)

    def register(
        self, manifest: Path, batch_id: str = "b1", options: BatchOptions | None = None, owner: str = LOCAL_USER
    ) -> Batch:
        """Make a batch known."""

        def fetch(address: str, target: Path) -> FetchedSource:
            return fetch_source(address, target, self.limits)

        return self.intake.register(batch_id, str(manifest), "Monday", options or BatchOptions(), fetch, owner)

    def plan(self, rows: Sequence[dict[str, Any]], batch_id: str = "b1", **options: Any) -> Batch:
        """Take a manifest in and plan it."""
        self.take_in(rows, batch_id, **options)
        return self.planner.plan(batch_id)

    def publish(self, source: str, recipe: Recipe, title: str = "", version: int = 1) -> Asset:
        """Leave in the catalogue what the pipeline leaves after it has published a source, or a video made of words."""
        sha256 = hashlib.sha256(source.encode()).hexdigest()
        asset = Asset(
            id=asset_id(sha256),
            sha256=sha256,
            source_key=source_key(sha256),
            original_name=Path(source).name,
            facts=source_facts(duration_seconds=20),
        )
        is_words = source.startswith("words:")
        found = recipe.generation.digest() if is_words else fingerprint(source, self.limits)
        assert found is not None
        with self.database.session() as session:
            AssetRepository(session).record(asset)
            SourceVersionRepository(session).record(source, found, asset.id)
            PublicationRepository(session).record(sample_manifest(asset, version=version))
            key = work_key(asset.id, recipe.digest(), title, self.programs)
            FulfilmentRepository(session).record(asset.id, key, version)
        return asset

    def probe(self, source: str) -> SourceFacts:
        self.looked_into.append(source)
        found = self.facts.get(Path(source).name, source_facts())
        if isinstance(found, Exception):
            raise found
        return found

    def items(self, batch_id: str = "b1") -> dict[int, BatchItem]:
        """Return the items by row."""
        with self.database.session() as session:
            return {item.row: item for item in BatchItemRepository(session).page(batch_id, limit=10_000)}

    def counts(self, batch_id: str = "b1") -> ItemCounts:
        with self.database.session() as session:
            return BatchItemRepository(session).counts(batch_id)

    def batch(self, batch_id: str = "b1") -> Batch:
        with self.database.session() as session:
            return BatchRepository(session).get(batch_id)
