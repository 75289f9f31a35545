"""The feed on a real Prefect server and a real catalogue: windows, ends, stops, and its death at every line."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType

from data.database import Database
from data.domain.batches import BatchItem, BatchReason, BatchState, BatchWish, ItemState
from data.domain.errors import CorruptInputError, DailiesError, DiskFullError, InfrastructureError
from data.repositories import BatchRepository
from deployments.stack import Stack
from tasks.bulk.feed import Progress
from tests.fakes.batch_world import Died, Fuse, World
from tests.fakes.catalogues import make_catalogue
from tests.fakes.deployments import register

Worlds = Callable[..., World]
SHORT, LONG = 10.0, 60.0


@pytest.fixture(scope="module")
def client(prefect_server: Stack) -> Iterator[SyncPrefectClient]:
    with SyncPrefectClient(prefect_server.prefect_api_url) as client:
        register(client, cpu_slots=2)
        yield client


@pytest.fixture
def feeding(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    make_catalogue(url)
    database = Database(url)
    yield database
    database.close()


@pytest.fixture
def world(feeding: Database, client: SyncPrefectClient) -> Worlds:
    """Return a maker of batches, from the estimated seconds of their items."""
    return lambda *seconds, **options: World(feeding, client, seconds, **options)


def corrupt(*rows: int) -> Callable[[BatchItem], DailiesError | None]:
    return lambda item: CorruptInputError("Cut off.") if item.row in rows else None


def test_a_batch_is_fed_and_every_row_is_accounted_for(world: Worlds) -> None:
    monday = world(LONG, *[SHORT] * 9)

    monday.finish(monday.feed(), failing=corrupt(3))

    batch, items = monday.batch(), monday.items()
    assert batch.state is BatchState.COMPLETED
    assert monday.counts().balances
    assert (items[3].state, items[3].failure_class, items[3].code) == (ItemState.FAILED, "DATA", "DATA.INPUT.CORRUPT")
    assert items[1].state is ItemState.SUCCEEDED
    [first] = [run for run in monday.runs() if run.idempotency_key == f"{monday.batch_id}:1:1"]
    assert (items[1].version, items[1].run_id) == (1, str(first.id))
    assert items[2].cost == 0.25
    assert batch.spent >= 0.25 * 8 + 0.5


def test_a_long_item_is_a_job_and_short_ones_share_a_run(world: Worlds) -> None:
    monday = world(LONG, *[SHORT] * 20)
    feed = monday.feed()
    feed.tick()
    feed.tick()  # a server on SQLite is busy now and then, and refuses some

    runs = monday.runs()
    [job] = [run for run in runs if "dailies-job" in run.tags]
    packs = [run for run in runs if run is not job]  # made in one call: in no order
    assert job.parameters["source"] == "/m/1.mp4"
    assert {"dailies-job", "dailies-item", f"batch:{monday.batch_id}", "owner:local"} <= set(job.tags)
    assert job.idempotency_key == f"{monday.batch_id}:1:1"
    assert job.labels["dailies.row"] == 1
    assert packs
    assert set(packs[0].parameters) == {"batch_id", "run_key"}
    assert "dailies-job" not in packs[0].tags
    assert "owner:local" in packs[0].tags
    assert len(packs) == 3  # the window: two slots, twice


def test_the_window_is_bounded_and_refilled(world: Worlds) -> None:
    monday = world(*[LONG] * 6, max_concurrency=2)
    feed = monday.feed()

    feed.tick()
    feed.tick()
    assert len(monday.live()) == 2
    monday.work(monday.live()[0])
    feed.tick()
    assert len(monday.live()) == 2
    assert len(monday.runs()) == 3


def test_a_job_at_work_is_seen_at_work(world: Worlds) -> None:
    monday = world(LONG)
    feed = monday.feed()
    feed.tick()
    monday.force(monday.runs()[0], StateType.RUNNING)

    feed.tick()

    assert monday.items()[1].state is ItemState.RUNNING


def test_it_is_quiet_while_no_run_ends(world: Worlds) -> None:
    monday = world(*[LONG] * 2)
    feed = monday.feed()
    feed.tick()
    assert not feed.is_quiet(), "it has not looked at the runs that it made"
    feed.tick()
    told = [feed.is_quiet()]
    monday.force(monday.runs()[0], StateType.CRASHED)
    told.append(feed.is_quiet())
    feed.tick()

    assert [*told, feed.is_quiet()] == [True, False, True]


def test_a_lost_run_gives_its_unfinished_items_back_and_nothing_is_done_twice(world: Worlds) -> None:
    monday = world(*[SHORT] * 8)
    feed = monday.feed()
    feed.tick()
    run = monday.runs()[0]
    monday.force(run, StateType.RUNNING)
    done, *left = monday.items_of(run)
    pack = monday.pack(run)
    monday.end(pack, done, None)
    monday.force(run, StateType.CRASHED, "killed")

    monday.finish(feed)

    items = monday.items()
    assert items[done.row].attempt == 1
    assert {items[item.row].attempt for item in left} == {2}
    assert monday.counts().succeeded == 8


def test_an_item_whose_run_dies_with_it_each_time_fails_and_the_others_do_not(world: Worlds) -> None:
    monday = world(*[SHORT] * 4, item_attempts=2)
    feed = monday.feed()
    for _ in range(20):
        if feed.tick() is Progress.ENDED:
            break
        for run in monday.live():
            pack = monday.pack(run)
            monday.force(run, StateType.RUNNING)
            for item in pack.items:
                if item.row == 2:
                    pack.begin(item, "transcode")
                    monday.force(run, StateType.CRASHED, "out of memory")
                    break
                monday.end(pack, item, None)
            else:
                monday.force(run, StateType.COMPLETED)

    items = monday.items()
    assert (items[2].state, items[2].code, items[2].attempt) == (ItemState.FAILED, "INFRA.PROCESS.LOST", 2), monday.log
    assert monday.counts().succeeded == 3


def test_a_run_that_somebody_deleted_is_made_again(world: Worlds) -> None:
    monday = world(LONG)
    feed = monday.feed()
    feed.tick()
    monday.client.delete_flow_run(monday.runs()[0].id)

    monday.finish(feed)

    assert (monday.items()[1].state, monday.items()[1].attempt) == (ItemState.SUCCEEDED, 2)


def test_a_job_that_a_person_cancels_is_a_cancelled_item(world: Worlds) -> None:
    monday = world(LONG, LONG)
    feed = monday.feed()
    feed.tick()
    monday.force(monday.runs()[0], StateType.CANCELLED)

    monday.finish(feed)

    assert (monday.counts().cancelled, monday.counts().succeeded) == (1, 1)
    assert monday.batch().state is BatchState.COMPLETED


def test_pause_stops_feeding_and_resume_goes_on(world: Worlds) -> None:
    monday = world(*[LONG] * 4, max_concurrency=2)
    feed = monday.feed()
    feed.tick()
    monday.wish(BatchWish.PAUSE)

    feed.tick()
    for run in monday.live():
        monday.work(run)
    feed.tick()

    assert (monday.batch().state, monday.batch().reason) == (BatchState.PAUSED, BatchReason.REQUEST)
    assert not monday.live()
    assert monday.counts().succeeded == 2
    monday.wish(BatchWish.RUN)
    monday.finish(feed)
    assert monday.batch().state is BatchState.COMPLETED


def test_cancel_ends_what_is_pending_and_what_is_in_flight(world: Worlds) -> None:
    monday = world(*[LONG] * 6, max_concurrency=2)
    feed = monday.feed()
    while not monday.live():  # a server on SQLite may be busy with something else, and is asked again
        feed.tick()
    running, waiting = monday.live()
    monday.force(running, StateType.RUNNING)
    monday.wish(BatchWish.CANCEL)

    feed.tick()

    assert {run.state_type for run in monday.runs()} == {StateType.CANCELLING, StateType.CANCELLED}
    assert monday.counts().cancelled == 4
    monday.force(running, StateType.CANCELLED)
    assert feed.tick() is Progress.ENDED
    assert monday.batch().state is BatchState.CANCELLED
    assert monday.counts().cancelled == 6
    assert waiting.id != running.id


def test_what_had_been_done_when_the_cancel_came_counts(world: Worlds) -> None:
    monday = world(*[LONG] * 2)
    feed = monday.feed()
    feed.tick()
    monday.work(monday.live()[0])
    monday.wish(BatchWish.CANCEL)

    feed.tick()
    feed.tick()

    assert (monday.counts().succeeded, monday.counts().cancelled) == (1, 1)
    assert monday.batch().state is BatchState.CANCELLED


def test_a_bad_batch_stops_and_says_why(world: Worlds) -> None:
    monday = world(*[LONG] * 12, max_concurrency=2, failure_budget={"share": 0.5, "min_items": 4})

    monday.finish(monday.feed(), failing=lambda _: CorruptInputError("Cut off."))

    batch = monday.batch()
    assert (batch.state, batch.reason) == (BatchState.STOPPED, BatchReason.FAILURE_BUDGET)
    assert "4 of 4" in batch.message
    assert (monday.counts().failed, monday.counts().cancelled) == (4, 8)
    assert monday.items()[12].reason == "failure_budget"


def test_failures_of_the_machines_do_not_stop_a_batch(world: Worlds) -> None:
    monday = world(*[LONG] * 6, item_attempts=1, failure_budget={"share": 0.1, "min_items": 2})

    monday.finish(monday.feed(), failing=lambda item: DiskFullError("full") if item.row < 6 else None)

    assert monday.batch().state is BatchState.COMPLETED
    assert (monday.counts().failed, monday.counts().succeeded) == (5, 1)


def test_the_canary_goes_alone_and_its_failure_stops_the_batch(world: Worlds) -> None:
    monday = world(*[SHORT] * 30, canary_items=3)
    feed = monday.feed()
    feed.tick()
    feed.tick()

    assert monday.counts().in_flight == 3
    monday.finish(feed, failing=lambda _: CorruptInputError("Cut off."))
    assert monday.batch().reason is BatchReason.CANARY_FAILED
    assert (monday.counts().failed, monday.counts().cancelled) == (3, 27)


def test_a_batch_that_does_not_add_up_says_so(world: Worlds) -> None:
    monday = world(LONG)
    feed = monday.feed()
    while not monday.live():
        feed.tick()
    monday.work(monday.live()[0])
    with monday.database.session() as session:
        BatchRepository(session).record(monday.batch_id, rows=2)

    with pytest.raises(InfrastructureError, match="2 rows, 1 ended"):
        feed.tick()


def test_a_feed_that_was_taken_over_leaves_the_batch_alone(world: Worlds) -> None:
    monday = world(LONG)
    old = monday.feed(run_id="old")
    new = monday.feed(run_id="new")

    assert old.tick() is Progress.TAKEN_OVER
    assert not monday.runs()
    monday.finish(new)


@pytest.mark.parametrize("method", ["claim", "create", "submitted", "settle", "move"])
def test_a_feed_that_dies_between_the_catalogue_and_prefect_goes_on(world: Worlds, method: str) -> None:
    monday = world(LONG, SHORT)
    with pytest.raises(Died):
        monday.finish(monday.feed(Fuse(1, is_before=False, method=method).wrap))

    monday.finish(monday.feed())

    assert monday.counts().succeeded == 2
    assert {item.attempt for item in monday.items().values()} == {1}
    assert len(monday.runs()) == 2


@pytest.mark.slow
@pytest.mark.parametrize("is_before", [True, False], ids=["before a call", "after a call"])
def test_a_feed_that_dies_at_any_line_goes_on_without_loss_or_double(world: Worlds, is_before: bool) -> None:
    deaths = 0
    while True:
        monday = world(LONG, SHORT, SHORT, max_concurrency=2)
        fuse = Fuse(deaths + 1, is_before=is_before)
        try:
            monday.finish(monday.feed(fuse.wrap))
        except Died:
            deaths += 1
            monday.finish(monday.feed())
        assert monday.batch().state is BatchState.COMPLETED
        assert monday.counts().succeeded == 3
        # Nothing was fed twice: no item has a second attempt, and every run is some items' run.
        assert {item.attempt for item in monday.items().values()} == {1}, (deaths, monday.log)
        assert {run.idempotency_key for run in monday.runs()} == {item.run_key for item in monday.items().values()}
        if fuse.left > 0:
            break

    assert deaths > 15


def test_of_two_batches_the_one_that_is_short_of_time_has_more_runs_and_the_other_is_not_starved(world: Worlds) -> None:
    urgent, patient = world(*[LONG] * 6, pack_seconds=0), world(*[LONG] * 6, pack_seconds=0)
    with urgent.database.session() as session:
        options = urgent.batch().options.model_copy(update={"finish_by": urgent.now + timedelta(seconds=30)})
        BatchRepository(session).record(urgent.batch_id, options=options.model_dump(mode="json"))
        for each in (urgent, patient):
            BatchRepository(session).move(each.batch_id, BatchState.RUNNING, allowed_from=[BatchState.PLANNED])

    for each in (urgent, patient):
        each.feed().tick()

    assert (len(urgent.live()), len(patient.live())) == (3, 1)  # of the window of four
