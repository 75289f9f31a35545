"""How long it takes to validate and plan a manifest, and in how much memory: ``python -m tests.bench.planning 10000``.

Every row has a source file of its own, known from an earlier night, unknown, or replaced, a third each, and the recipe
``quick``; with ``--rehearsal`` the recipe that does no media work. Prints a line of JSON.
"""

import argparse
import hashlib
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from data.domain.keys import asset_id, work_key
from data.domain.recipes import Recipe
from data.recipes import load_recipe
from data.repositories import FulfilmentRepository
from data.tables import AssetRow, Base, FulfilmentRow, PublicationRow, SourceVersionRow
from tasks.providers.fingerprints import fingerprints
from tests.fakes.bulk import BatchHouse
from tests.fakes.memory import peak_megabytes

MANIFEST = "manifest.csv"
_SHARE = 3


@dataclass(frozen=True)
class Measured:
    """What one manifest took."""

    rows: int
    validate_seconds: float
    plan_seconds: float
    cpu_seconds: float
    """Of both, whatever else the machine does."""
    peak_megabytes: float
    """Of the whole process: interpreter, libraries and work."""
    before_megabytes: float
    """The same before the manifest was opened."""
    new: int
    unchanged: int


def measure(rows: int, recipe: str, catalogue_url: str = "") -> Measured:
    """Validate and plan a manifest of so many rows in this process."""
    with tempfile.TemporaryDirectory(prefix="dailies-bench-") as folder:
        preparation = get_context("spawn").Process(target=_prepare, args=(Path(folder), rows, recipe, catalogue_url))
        preparation.start()  # in a process of its own, whose memory is not counted
        preparation.join()
        house = BatchHouse(Path(folder), catalogue_url=catalogue_url)
        before = peak_megabytes()
        began, cpu = time.monotonic(), time.process_time()
        house.register(house.media / MANIFEST)
        house.intake.validate("b1", house.rules)
        validated = time.monotonic()
        plan = house.planner.plan("b1").plan
        ended = time.monotonic()
        house.database.close()
        assert plan is not None
        assert plan.rows == rows
        return Measured(
            rows=rows,
            validate_seconds=round(validated - began, 2),
            plan_seconds=round(ended - validated, 2),
            cpu_seconds=round(time.process_time() - cpu, 2),
            peak_megabytes=round(peak_megabytes()),
            before_megabytes=round(before),
            new=plan.new,
            unchanged=plan.unchanged,
        )


def _prepare(folder: Path, rows: int, recipe: str, catalogue_url: str) -> None:
    """Write sources and a manifest that names them; a third was published on an earlier night."""
    house = BatchHouse(folder, catalogue_url=catalogue_url)
    path = house.media / MANIFEST
    with path.open("w", encoding="utf-8") as file:
        file.write("custom_id,source,recipe,title,metadata.desk\n")
        for row in range(rows):
            source = house.source(f"{row:07}.mp4", str(row))
            file.write(f"clip-{row},{source},{recipe},Title {row},news\n")
    published = [(str(house.media / f"{row:07}.mp4"), f"Title {row}") for row in range(0, rows, _SHARE)]
    _publish(house, published, load_recipe(recipe))
    for row in range(1, rows, 2 * _SHARE):
        house.source(f"{row:07}.mp4", f"replaced {row}")
    house.database.close()


def _publish(house: BatchHouse, titled: list[tuple[str, str]], recipe: Recipe) -> None:
    """Leave in the catalogue what publishing all of them leaves: as many copies of what publishing one does."""
    template = house.publish(titled[0][0], recipe)
    found = fingerprints([source for source, _ in titled], house.limits)
    rows: dict[type[Base], list[dict[str, Any]]] = {}
    with house.database.session() as session:
        patterns = {
            table: dict(session.execute(select(table.__table__)).mappings().one())
            for table in (AssetRow, PublicationRow, SourceVersionRow, FulfilmentRow)
        }
        for source, title in titled[1:]:
            sha256 = hashlib.sha256(source.encode()).hexdigest()
            asset = asset_id(sha256)
            key = work_key(asset, recipe.digest(), title, house.programs)
            changes: dict[type[Base], dict[str, Any]] = {
                AssetRow: {"id": asset, "sha256": sha256},
                PublicationRow: {"asset_id": asset},
                SourceVersionRow: {
                    "asset_id": asset,
                    "uri": source,
                    "uri_sha256": sha256,
                    "fingerprint": found[source],
                },
                FulfilmentRow: {"asset_id": asset, "work_key": key},
            }
            for table, change in changes.items():
                rows.setdefault(table, []).append({**patterns[table], **change})
        for table, values in rows.items():
            session.execute(insert(table), values)
        first = work_key(template.id, recipe.digest(), titled[0][1], house.programs)
        FulfilmentRepository(session).record(template.id, first, 1)


def main() -> None:
    """Measure once, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int)
    parser.add_argument("--rehearsal", action="store_true", help="with the recipe that does no media work")
    parser.add_argument("--catalogue", default="", help="SQLAlchemy URL of an empty catalogue; SQLite by default")
    arguments = parser.parse_args()
    recipe = "rehearsal" if arguments.rehearsal else "quick"
    print(json.dumps(asdict(measure(arguments.rows, recipe, arguments.catalogue))))


if __name__ == "__main__":
    main()
