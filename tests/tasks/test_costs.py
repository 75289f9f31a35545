"""What steps took is noted for later plans, if they did anything."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.database import Database
from data.domain.costs import CostStep, cost_variants
from data.domain.recipes import Recipe
from data.repositories import StepCost, StepCostRepository
from data.settings import get_settings
from tasks.costs import measured
from tests.data.samples import sample_asset
from tests.fakes.catalogues import make_catalogue

BUSY = [sys.executable, "-c", "sum(range(20_000_000))"]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    monkeypatch.setenv("DAILIES_CATALOGUE__URL", url)
    get_settings.cache_clear()
    make_catalogue(url)
    database = Database(url)
    yield database
    database.close()
    get_settings.cache_clear()


def noted(database: Database, step: CostStep) -> tuple[StepCost, ...]:
    with database.session() as session:
        return StepCostRepository(session).recent_of_any(step)


def fail_after_work() -> None:
    with measured(CostStep.TRANSCODE) as work:
        work.done(sample_asset())
        raise ZeroDivisionError


def test_the_processor_time_of_tools_counts(database: Database) -> None:
    with measured(CostStep.TRANSCODE, "fast") as work:
        subprocess.run(BUSY, check=True)
        work.done(sample_asset(), bytes_out=7)

    [cost] = noted(database, CostStep.TRANSCODE)
    assert cost.machine_seconds > 0.1
    assert (cost.variant, cost.media_seconds, cost.megapixels, cost.bytes_out) == ("fast", 10.5, 0.9216, 7)


def test_what_was_edited_counts_as_long_as_it_became(database: Database) -> None:
    with measured(CostStep.TRANSCODE) as work:
        work.done(sample_asset(), media_seconds=4.2)

    [cost] = noted(database, CostStep.TRANSCODE)
    assert cost.media_seconds == 4.2


def test_work_that_was_found_again_or_failed_teaches_nothing(database: Database) -> None:
    with measured(CostStep.TRANSCODE):
        pass
    with pytest.raises(ZeroDivisionError):
        fail_after_work()

    assert noted(database, CostStep.TRANSCODE) == ()


def test_a_catalogue_that_is_away_does_not_fail_the_step(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAILIES_CATALOGUE__URL", f"sqlite:///{tmp_path}")
    get_settings.cache_clear()

    with measured(CostStep.CAPTIONS) as work:
        work.done(sample_asset())


def test_rows_with_a_trim_a_logo_or_a_text_of_their_own_cost_alike() -> None:
    def variant(**edit: object) -> str:
        return cost_variants(Recipe.parse({"edit": edit}))[CostStep.TRANSCODE]

    plain = cost_variants(Recipe())[CostStep.TRANSCODE]

    assert variant(trim={"start_seconds": 3, "end_seconds": 63}) == plain
    assert variant(watermark={"text": "Ann"}) == variant(watermark={"text": "Ben", "source": "sha256:b"}) != plain
    assert variant(join={"intro": "/in/a.mp4"}) == variant(join={"intro": "sha256:a"}) != plain
    assert variant(watermark={"source": "/in/a.png"}) == variant(watermark={"source": "/in/b.png"}) != plain
    assert variant(stabilise=True) != plain


def test_what_does_not_change_the_cost_is_no_variant_of_its_own() -> None:
    recipe = Recipe()

    renamed = cost_variants(recipe.model_copy(update={"name": "other", "version": 9}))
    slower = cost_variants(recipe.with_overrides({"video.preset": "slow"}))

    assert renamed == cost_variants(recipe)
    assert slower[CostStep.TRANSCODE] != renamed[CostStep.TRANSCODE]
    assert slower[CostStep.CAPTIONS] == renamed[CostStep.CAPTIONS]
    assert CostStep.CAPTIONS not in cost_variants(recipe.with_overrides({"captions.enabled": False}))
    assert CostStep.ANALYSIS not in cost_variants(recipe)
    analysed = [recipe.with_overrides({"analysis.enabled": True, "analysis.fps": fps}) for fps in (1, 5)]
    assert len({cost_variants(each)[CostStep.ANALYSIS] for each in analysed}) == 2
    assert list(cost_variants(recipe.model_copy(update={"rehearsal": True}))) == [CostStep.REHEARSE]
