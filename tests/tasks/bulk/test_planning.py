import json
from datetime import timedelta

import pytest

from data.domain.batches import Batch, BatchOptions, BatchReason, BatchState, ItemState, SkipReason
from data.domain.costs import CostStep, cost_variants
from data.domain.errors import CorruptInputError
from data.domain.keys import step_key, wish_key, words_address
from data.domain.recipes import Recipe
from data.recipes import load_recipe
from data.repositories import (
    AssetRepository,
    BatchRepository,
    PackageRepository,
    PublicationRepository,
    StepCost,
    StepCostRepository,
)
from tasks.bulk.costing import Prices
from tests.data.samples import TOOLS, sample_package
from tests.fakes.bulk import BatchHouse
from tests.fakes.manifests import write_manifest
from tests.fakes.source_facts import source_facts

QUICK = load_recipe("quick")


def rows(*sources: str, **values: str) -> list[dict[str, str]]:
    return [{"source": source, "recipe": "quick", **values} for source in sources]


def learn(house: BatchHouse, step: CostStep, recipe: Recipe, seconds_each: float, media_seconds: float = 60) -> None:
    """Leave ten past runs of a step on a minute of 1080p."""
    cost = StepCost(step, cost_variants(recipe)[step], media_seconds, 2.0736, seconds_each, 10**6, 10**7)
    with house.database.session() as session:
        for _ in range(10):
            StepCostRepository(session).record(cost)


def test_everything_is_new_the_first_night(house: BatchHouse) -> None:
    batch = house.plan(rows(*(house.source(f"{n}.mp4", "x" * n) for n in range(1, 6))))

    plan = batch.plan
    assert plan is not None
    assert (batch.state, batch.reason) == (BatchState.PLANNED, None)
    assert (plan.rows, plan.new, plan.unchanged, plan.duplicate, plan.rejected) == (5, 5, 0, 0, 0)
    assert plan.media_seconds == pytest.approx(300)
    assert [step.step for step in plan.steps] == ["ingest", "transcode", "publish"]
    assert all(item.estimated_seconds > 0 for item in house.items().values())
    assert plan.starts_at == house.now < plan.finishes_at


TARGETS = [{"name": "cdn", "url": "s3://cdn"}, {"name": "site", "url": "s3://site", "parts": ["mp4"]}]


def test_copies_at_publish_targets_are_planned_and_learnt_and_encode_nothing_anew(house: BatchHouse) -> None:
    given = {"publish.targets": json.dumps(TARGETS)}
    recipe = QUICK.with_overrides({"publish.targets": TARGETS})
    source = house.source("one.mp4")
    house.publish(source, QUICK)

    plan = house.plan(rows(source, **given), batch_id="b1").plan

    assert plan is not None
    assert (plan.new, plan.unchanged) == (1, 0)  # it is public, but not there
    assert plan.bytes_copied == pytest.approx(2 * plan.bytes_out, rel=0.01)
    assert [step.step for step in plan.steps] == ["ingest", "transcode", "publish", "copy"]

    learn(house, CostStep.COPY, recipe, seconds_each=1)
    learnt = house.plan(rows(source, **given), batch_id="b2").plan
    assert learnt is not None
    assert 0 < learnt.bytes_copied < plan.bytes_copied


def test_the_second_night_an_unchanged_row_costs_a_look_up(house: BatchHouse) -> None:
    sources = [house.source(f"{n}.mp4") for n in range(3)]
    for source in sources:
        house.publish(source, QUICK)

    batch = house.plan(rows(*sources))

    assert batch.plan is not None
    assert (batch.plan.new, batch.plan.unchanged, batch.plan.wall_seconds) == (0, 3, 0)
    assert house.looked_into == []
    assert all(
        (item.state, item.reason) == (ItemState.SKIPPED, SkipReason.UNCHANGED) for item in house.items().values()
    )
    assert all(item.asset_id and item.version == 1 for item in house.items().values())


def test_assets_of_unchanged_rows_are_the_batch_owners_as_well(house: BatchHouse) -> None:
    source = house.source("one.mp4")
    asset = house.publish(source, QUICK)
    manifest = write_manifest(house.media, rows(source), "csv")
    with house.database.session() as session:
        values = {"id": "b1", "name": "Night", "manifest_uri": str(manifest), "owner": "ann", "created_at": house.now}
        BatchRepository(session).create(Batch(options=BatchOptions(), state=BatchState.RECEIVED, **values))

    for _ in range(2):
        house.plan(rows(source))

    with house.database.session() as session:
        assert AssetRepository(session).owned([asset.id], "ann") == {asset.id}
        assert AssetRepository(session).owned([asset.id], "bob") == frozenset()
    assert house.counts().balances


WORDS = [
    {"source": "", "prompt": "A rabbit", "script": "", "recipe": "quick"},
    {"source": "", "prompt": "", "script": "Once there was a fox.", "recipe": "quick"},
]


def test_rows_that_begin_with_words_are_planned_with_what_their_videos_cost(house: BatchHouse) -> None:
    house.prices = Prices(per_generation=2.0, per_generated_second=0.1)

    batch = house.plan([*WORDS, *rows(house.source("one.mp4"), prompt="", script="")])

    assert batch.plan is not None
    steps = {step.step: step for step in batch.plan.steps}
    assert {name: step.items for name, step in steps.items()} == {
        "generation": 2,
        "ingest": 1,
        "transcode": 3,
        "publish": 3,
    }
    assert steps["generation"].cost == pytest.approx(2 * (2.0 + 60 * 0.1))


def test_the_second_night_words_whose_video_was_published_cost_a_look_up(house: BatchHouse) -> None:
    for row in WORDS:
        wish = wish_key("", row["prompt"], row["script"], "quick", {}, "")
        house.publish(words_address(wish), QUICK)

    batch = house.plan(WORDS)

    assert batch.plan is not None
    assert (batch.plan.new, batch.plan.unchanged) == (0, 2)
    assert _new(house, [{**WORDS[0], "generation.voice": "bm_george"}], "b2") == 1


def test_a_replaced_file_with_the_same_name_is_new(house: BatchHouse) -> None:
    kept, replaced = house.source("kept.mp4"), house.source("replaced.mp4")
    for source in (kept, replaced):
        house.publish(source, QUICK)
    house.source("replaced.mp4", "other content")

    house.plan(rows(kept, replaced))

    assert [item.state for item in house.items().values()] == [ItemState.SKIPPED, ItemState.PENDING]


def test_what_was_retracted_is_new_again(house: BatchHouse) -> None:
    source = house.source("one.mp4")
    asset = house.publish(source, QUICK)
    with house.database.session() as session:
        PublicationRepository(session).retract(asset.id)

    assert _new(house, rows(source)) == 1


@pytest.mark.parametrize("change", [{"title": "A title"}, {"video.crf": "30"}, {"recipe": "default"}])
def test_another_title_or_recipe_is_new(house: BatchHouse, change: dict[str, str]) -> None:
    source = house.source("one.mp4")
    house.publish(source, QUICK)

    assert _new(house, rows(source, **change)) == 1


def test_another_encoder_makes_everything_new(house: BatchHouse) -> None:
    source = house.source("one.mp4")
    house.publish(source, QUICK)
    house.programs = "ffmpeg 10"

    assert _new(house, rows(source)) == 1


def test_going_back_to_an_earlier_recipe_is_work_unless_the_batch_asks_for_both(house: BatchHouse) -> None:
    source = house.source("one.mp4")
    house.publish(source, QUICK)
    house.publish(source, load_recipe("default"), version=2)
    both = [*rows(source), *rows(source, recipe="default")]

    assert _new(house, rows(source)) == 1
    assert _new(house, both, "b2") == 0


def test_a_plan_that_died_midway_begins_anew(house: BatchHouse) -> None:
    sources = [house.source(f"{n}.mp4") for n in range(3)]
    house.publish(sources[0], QUICK)
    house.take_in(rows(*sources))
    interrupted = house.planner
    object.__setattr__(interrupted, "prices", None)
    with pytest.raises(AttributeError):
        interrupted.plan("b1")

    plan = house.planner.plan("b1").plan

    assert plan is not None
    assert (plan.new, plan.unchanged) == (2, 1)


def test_a_planned_batch_is_not_planned_again(house: BatchHouse) -> None:
    first = house.plan(rows(house.source("one.mp4")))
    house.now += timedelta(hours=1)

    assert house.planner.plan("b1") == first


def test_known_sources_are_not_looked_into_and_an_encode_that_was_done_costs_nothing(house: BatchHouse) -> None:
    source = house.source("one.mp4")
    asset = house.publish(source, QUICK)
    crf = rows(source, **{"video.crf": "30"})
    title = rows(source, title="Another")
    key = step_key("transcode", asset.sha256, QUICK.transcode_options(), TOOLS)
    with house.database.session() as session:
        PackageRepository(session).record(sample_package(asset, key))

    house.plan(crf)
    house.plan(title, "b2")

    assert house.looked_into == []
    assert house.batch("b1").plan.media_seconds == pytest.approx(20)
    transcode = [{step.step: step for step in house.batch(b).plan.steps}["transcode"] for b in ("b1", "b2")]
    assert transcode[0].machine_seconds > 0
    assert (transcode[1].machine_seconds, transcode[1].items) == (0, 0)


def test_a_sample_tells_the_length_of_the_others_and_names_bad_files(house: BatchHouse) -> None:
    sources = [house.source(f"{n:03}.mp4", "x" * 1000) for n in range(100)]
    house.facts = {f"{n:03}.mp4": source_facts(duration_seconds=30) for n in range(100)}
    bad = house.source("bad.mp4", "x" * 5000)
    house.facts["bad.mp4"] = CorruptInputError("Damaged.")

    plan = house.plan(rows(*sources, bad)).plan

    assert plan is not None
    assert 20 <= len(house.looked_into) <= 40
    assert plan.media_seconds == pytest.approx(100 * 30 + 5 * 30)
    if bad in house.looked_into:
        assert "bad.mp4 (DATA.INPUT.CORRUPT)" in " ".join(plan.warnings)


def test_estimates_learn_from_the_same_recipe_before_any_other(house: BatchHouse) -> None:
    default = load_recipe("default")
    learn(house, CostStep.TRANSCODE, QUICK, 8.0)
    learn(house, CostStep.TRANSCODE, default, 100.0)
    one = [house.source("one.mp4")]

    quick, slow = house.plan(rows(*one)), house.plan(rows(*one, recipe="default"), "b2")
    other = house.plan(rows(*one, **{"video.crf": "40"}), "b3")

    assert _transcode(quick) == pytest.approx(8.0)
    assert _transcode(slow) == pytest.approx(100.0)
    assert 8.0 <= _transcode(other) <= 100.0
    assert quick.plan.steps[1].learnt_from == 10
    assert quick.plan.steps[0].learnt_from == 0


def test_a_trimmed_or_hastened_video_is_expected_to_take_less(house: BatchHouse) -> None:
    source = house.source("one.mp4")
    whole = _transcode(house.plan(rows(source)))

    part = house.plan(rows(source, **{"edit.trim.end_seconds": "6", "edit.speed": "2"}), "b2")

    assert _transcode(part) < 0.5 * whole
    assert part.plan is not None
    assert part.plan.media_seconds == pytest.approx(60)


def test_what_is_joined_to_a_video_makes_it_longer(house: BatchHouse) -> None:
    house.facts = {"one.mp4": source_facts(duration_seconds=60), "intro.mp4": source_facts(duration_seconds=60)}
    source, intro = house.source("one.mp4"), house.source("intro.mp4")

    alone = house.plan(rows(source))
    joined = house.plan(rows(source, **{"edit.join.intro": intro, "edit.join.outro": intro}), "b2")

    assert _transcode(joined) > 2 * _transcode(alone)


def test_a_part_that_is_copied_is_expected_to_take_less_than_one_that_is_encoded(house: BatchHouse) -> None:
    source = house.source("one.mp4")
    part = {"edit.trim.start_seconds": "2"}

    encoded = house.plan(rows(source, **part))
    copied = house.plan(rows(source, **part, **{"edit.trim.cut": "keyframe"}), "b2")

    assert _transcode(copied) < 0.6 * _transcode(encoded)


def test_the_longest_comes_first_within_a_priority(house: BatchHouse) -> None:
    house.facts = {"long.mp4": source_facts(duration_seconds=900)}
    short, long = house.source("short.mp4"), house.source("long.mp4")

    house.plan(rows(short, long))

    items = house.items()
    assert items[2].estimated_seconds > items[1].estimated_seconds


def test_a_dear_or_long_batch_waits_for_approval(house: BatchHouse) -> None:
    house.prices = Prices(cpu_hour=3600.0, currency="EUR")
    learn(house, CostStep.TRANSCODE, QUICK, 50.0)
    source = house.source("one.mp4")

    dear = house.plan(rows(source), approve_above_cost=10, approve_above_hours=0.001)
    cheap = house.plan(rows(source), "b2", approve_above_cost=1000)
    dry = house.plan(rows(source), "b3", approve_above_cost=10, dry_run=True)

    assert (dear.state, dear.reason) == (BatchState.PLANNED, BatchReason.APPROVAL_NEEDED)
    assert len(dear.plan.approval_needed) == 2
    assert "EUR, more than 10.00" in dear.message
    assert dear.plan.cost > 50
    assert (cheap.state, cheap.reason) == (BatchState.PLANNED, None)
    assert (dry.state, dry.reason) == (BatchState.PLANNED, BatchReason.DRY_RUN)


def test_a_night_that_is_too_short_is_warned_about(house: BatchHouse) -> None:
    learn(house, CostStep.TRANSCODE, QUICK, 10 * 3600.0)
    window = {"opens": "22:00", "closes": "06:00", "time_zone": "Europe/Berlin", "at_end": "pause"}
    sources = [house.source(f"{n}.mp4") for n in range(4)]

    batch = house.plan(rows(*sources), window=window, finish_by="2026-03-03T06:00:00+01:00")

    assert batch.plan.starts_at.isoformat() == "2026-03-02T21:00:00+00:00"
    assert batch.plan.finishes_at.isoformat() > "2026-03-05"
    assert any("nights" in warning for warning in batch.plan.warnings)
    assert any("after 06:00" in warning for warning in batch.plan.warnings)


def test_a_source_that_went_away_is_named(house: BatchHouse) -> None:
    gone = house.source("gone.mp4")
    house.take_in(rows(gone, house.source("here.mp4")))
    (house.media / "gone.mp4").unlink()

    plan = house.planner.plan("b1").plan

    assert any("gone.mp4" in warning for warning in plan.warnings)


def test_a_rehearsal_looks_at_nothing(house: BatchHouse) -> None:
    plan = house.plan(rows(*(house.source(f"{n}.mp4") for n in range(5)), recipe="rehearsal")).plan

    assert plan is not None
    assert (plan.new, plan.media_seconds, house.looked_into) == (5, 0, [])
    assert [step.step for step in plan.steps] == ["rehearse"]


def _new(house: BatchHouse, manifest: list[dict[str, str]], batch_id: str = "b1") -> int:
    plan = house.plan(manifest, batch_id).plan
    assert plan is not None
    return plan.new


def _transcode(batch) -> float:
    return {step.step: step.machine_seconds for step in batch.plan.steps}["transcode"]
