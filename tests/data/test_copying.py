"""A target has a version whole, and its pointer names it, or it has none; what goes, goes pointer first."""

import itertools
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from data.copies import expire_copies, withdraw_due
from data.copying import make_copy, take_away
from data.database import Database
from data.domain.copies import POINTER_NAME, CopyState, files_of, pointer_to
from data.domain.errors import (
    StoreUnavailableError,
    TargetRefusedError,
    TargetTakenError,
    TargetUnavailableError,
)
from data.domain.targets import ALL_PARTS, PublishTarget, TargetPart
from data.publishing import standing
from data.repositories import (
    CandidateRepository,
    CopyRepository,
    FulfilmentRepository,
)
from data.reviews import approve, take_down
from data.storage import ObjectStore, open_store
from tests.data.samples import sample_manifest
from tests.fakes.failing_store import FailingStore
from tests.fakes.processes import wait_until
from tests.fakes.s3_server import S3Server
from tests.fakes.target_world import ANN, ASSET, CAPTIONS, FILES, OTHER, SOUND, TargetWorld


@pytest.fixture
def kind() -> str:
    return "sqlite"


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, dict[str, Any]]:
    """Address and options of a target of each kind."""
    if request.param == "local":
        (tmp_path / "www").mkdir()
        return f"file://{tmp_path / 'www'}", {}
    server: S3Server = request.getfixturevalue("s3")
    access = {"access_key": server.access_key, "secret_key": server.secret_key}
    return f"{server.url}/{uuid4().hex}", {"endpoint_url": server.endpoint_url, **access}


@pytest.fixture
def world(tmp_path: Path, database: Database, place: tuple[str, dict[str, Any]]) -> TargetWorld:
    return TargetWorld(tmp_path, database, *place)


@pytest.fixture
def local(tmp_path: Path, database: Database) -> TargetWorld:
    """The same with a folder, for what does not depend on the kind of target."""
    (tmp_path / "www").mkdir()
    return TargetWorld(tmp_path, database, f"file://{tmp_path / 'www'}", {})


def test_a_copy_is_there_whole_and_the_pointer_says_how_to_begin(world: TargetWorld) -> None:
    manifest = world.publish()

    copy = world.copy(manifest)

    assert world.files(copy) == FILES
    pointer = world.pointer()
    assert pointer is not None
    assert pointer["prefix"] + pointer["paths"]["hls"] == "v0001-job-0001/master.m3u8"
    assert set(pointer["paths"]) == {"hls", "dash", "mp4", "poster", "thumbnails"}
    assert pointer["captions"] == {"en": "captions-en.vtt"}
    assert (pointer["version"], pointer["file_count"], pointer["size_bytes"]) == (1, len(FILES), sum(FILES.values()))
    assert world.states() == [(1, "there")]


def test_the_same_again_sends_nothing(world: TargetWorld) -> None:
    manifest = world.publish()
    copy = world.copy(manifest)

    assert world.make(copy, manifest, FailingStore(world.target, fails_at=1)) == 0


def test_a_later_version_takes_the_pointer_and_the_one_before_stays_until_it_is_old(world: TargetWorld) -> None:
    first, second = (world.copy(world.publish(job)) for job in ("job-0001", "job-0002"))
    pointer = world.pointer()
    assert pointer is not None
    assert pointer["version"] == 2
    assert world.states() == [(2, "there"), (1, "superseded")]
    assert world.files(first) == FILES

    later = datetime.now(UTC) + timedelta(seconds=1)
    assert expire_copies(world.database, later, later, lambda _: True) == 1
    assert world.withdraw() == [f"{ASSET.id} version 1 at cdn"]

    assert (world.files(first), world.files(second)) == ({}, FILES)
    assert world.pointer() == pointer
    assert world.states() == [(2, "there")]


def test_taking_down_takes_the_copies_away_and_says_so_at_the_target(world: TargetWorld) -> None:
    copy = world.copy(world.publish())

    take_down(world.store, world.database, ASSET.id, ANN)
    assert world.states() == [(1, "withdrawing")]
    world.withdraw()

    assert world.files(copy) == {}
    assert world.pointer() == {"schema_version": 1, "asset_id": ASSET.id, "retracted_version": 1}
    assert world.states() == []


def test_no_link_inside_a_target_leads_out_of_it(local: TargetWorld) -> None:
    outside, manifest = local.folder / "outside", local.publish()
    outside.mkdir()
    (local.folder / "www" / "Tides").symlink_to(outside)
    copy = local.want(manifest, layout="{title}")

    with pytest.raises(TargetRefusedError, match="A link leads out of the target 'cdn'"):
        local.make(copy, manifest)
    with pytest.raises(TargetRefusedError, match="A link leads out"):
        take_away(local.database, local.target, copy)

    assert list(outside.iterdir()) == []


def test_a_store_that_was_restored_is_the_truth_though_the_target_has_later_versions(local: TargetWorld) -> None:
    first = local.publish()
    lost = pointer_to(local.want(first), first).model_copy(update={"version": 7, "prefix": "7-lost/"})
    local.target.compare_and_swap(f"{ASSET.id}/{POINTER_NAME}", lost.model_dump_json().encode(), None)

    copy = local.copy(local.publish(job="job-new"))

    pointer = local.pointer()
    assert pointer is not None
    assert (pointer["version"], pointer["prefix"]) == (2, copy.version_folder)
    assert local.files(copy) == FILES


def test_what_is_wanted_again_meanwhile_is_not_taken_away(local: TargetWorld) -> None:
    """One after the other goes; before its turn came, a job was told to bring the second back."""
    manifest = local.publish()
    first, second = local.copy(manifest, layout="a/{asset}"), local.copy(manifest, layout="b/{asset}")
    with local.database.session() as session:
        CopyRepository(session).withdraw_all(ASSET.id)

    def open_target(_url: str) -> Any:
        with local.database.session() as session:
            CopyRepository(session).want([first, second])
        return local.target

    assert len(withdraw_due(local.database, open_target)) == 1
    assert [each for each in (first, second) if local.files(each) == FILES] != []


@pytest.mark.parametrize("fails_at", [1, 2, 5, len(FILES), len(FILES) + 1])
def test_a_copy_that_broke_off_shows_nothing_and_is_gone_on_with(local: TargetWorld, fails_at: int) -> None:
    manifest = local.publish()
    copy = local.want(manifest)

    with pytest.raises(TargetUnavailableError, match="'cdn' did not take it") as failed:
        local.make(copy, manifest, FailingStore(local.target, fails_at))
    assert failed.value.facts["target"] == "cdn"
    assert local.pointer() is None
    assert local.states() == [(1, "wanted")]
    assert standing(local.store, ASSET.id).manifest == manifest

    there = sum(local.files(copy).values())
    assert local.make(copy, manifest) == sum(FILES.values()) - there
    assert local.files(copy) == FILES
    assert local.pointer() is not None


class StuckStore(FailingStore):
    """Takes a few files, and then nothing comes back."""

    def _count(self) -> None:
        self.writes += 1
        if self.writes > self._fails_at:
            time.sleep(600)


def test_a_copy_whose_process_is_killed_is_gone_on_with_by_the_next(world: TargetWorld) -> None:
    manifest = world.publish()
    copy = world.want(manifest)

    def work() -> None:
        world.make(copy, manifest, StuckStore(world.target, 5))

    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    wait_until(lambda: len(world.files(copy)) == 5, 30, "five files to arrive")
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    there = world.files(copy)
    assert world.pointer() is None
    assert world.states() == [(1, "wanted")]

    assert world.make(copy, manifest) == sum(FILES.values()) - sum(there.values())
    assert world.files(copy) == FILES
    assert world.states() == [(1, "there")]


@pytest.mark.parametrize("is_over", [True, False])
def test_what_a_job_sends_after_a_retraction_and_dies_over_does_not_stay(world: TargetWorld, is_over: bool) -> None:
    """The retraction takes away what it finds; the job goes on sending, and is killed before it looks."""
    manifest = world.publish()
    copy = world.want(manifest)
    goes_on = multiprocessing.get_context("fork").Event()

    numbers = itertools.count(1)

    class Sending(FailingStore):
        def _count(self) -> None:
            number = next(numbers)
            if number > 5:
                goes_on.wait()
            if number > 9:
                time.sleep(600)

    child = multiprocessing.get_context("fork").Process(
        target=lambda: world.make(copy, manifest, Sending(world.target, 1000)), daemon=True
    )
    child.start()
    wait_until(lambda: len(world.files(copy)) == 5, 30, "five files to arrive")
    take_down(world.store, world.database, ASSET.id, ANN)
    assert world.withdraw() == []
    assert world.files(copy) == {}
    goes_on.set()
    wait_until(lambda: len(world.files(copy)) == 4, 30, "four more files to arrive")
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()

    assert world.withdraw() == []  # not yet
    world.hasten()
    gone = world.withdraw(is_sending=lambda _: not is_over)

    assert world.files(copy) == {}
    assert (len(gone), world.states()) == ((1, []) if is_over else (0, [(1, "withdrawing")]))


def test_a_job_that_sends_while_a_retraction_takes_away_ends_well(local: TargetWorld) -> None:
    manifest = local.publish()
    copy = local.want(manifest)

    class Retracted(FailingStore):
        def _count(self) -> None:
            self.writes += 1
            if self.writes == 9:
                take_down(local.store, local.database, ASSET.id, ANN)
                local.withdraw()

    local.make(copy, manifest, Retracted(local.target, 1000))

    assert local.files(copy) == {}
    assert local.states() == []


class LyingStore(FailingStore):
    """Says that it took a file, and did not."""

    def put_file(self, path: Path, key: str, content_type: str | None = None) -> Any:
        return None if key.endswith("video.mp4") else super().put_file(path, key, content_type)


def test_the_pointer_names_nothing_that_did_not_arrive(local: TargetWorld) -> None:
    manifest = local.publish()
    copy = local.want(manifest)

    with pytest.raises(TargetUnavailableError, match=r"1 files did not arrive, video\.mp4"):
        local.make(copy, manifest, LyingStore(local.target, 1000))
    assert local.pointer() is None


class SlowStore(FailingStore):
    """Lets something happen right before its pointer is written, or right after it."""

    def __init__(self, store: ObjectStore, happens: Callable[[], object], *, after: bool) -> None:
        super().__init__(store, 10_000)
        self._happens, self._after = happens, after

    def compare_and_swap(self, key: str, data: bytes, expected_etag: str | None) -> str:
        if not self._after:
            self._happens()
        etag = super().compare_and_swap(key, data, expected_etag)
        if self._after:
            self._happens()
        return etag


@pytest.mark.parametrize("after", [False, True])
def test_what_is_taken_down_while_it_is_copied_does_not_stay(local: TargetWorld, after: bool) -> None:
    manifest = local.publish()
    copy = local.want(manifest)

    def taken_down() -> None:
        if standing(local.store, ASSET.id).manifest is not None:
            take_down(local.store, local.database, ASSET.id, ANN)
            local.withdraw()

    local.make(copy, manifest, SlowStore(local.target, taken_down, after=after))

    assert local.files(copy) == {}
    pointer = local.pointer()
    assert pointer is not None
    assert pointer["retracted_version"] == 1
    assert local.states() == []


def test_an_older_version_that_comes_late_does_not_take_the_pointer_back(local: TargetWorld) -> None:
    first = local.publish("job-0001")
    late = local.want(first)
    second = local.publish("job-0002")
    local.copy(second)

    local.make(late, first)

    pointer = local.pointer()
    assert pointer is not None
    assert pointer["version"] == 2
    assert local.files(late) == {}
    assert local.states() == [(2, "there")]


def test_two_videos_of_one_title_do_not_share_a_folder(local: TargetWorld) -> None:
    local.copy(local.publish(), layout="{title}")
    other = local.publish("job-0002", asset=OTHER)
    copy = local.want(other, layout="{title}")

    with pytest.raises(TargetTakenError, match=ASSET.id):
        local.make(copy, other)
    assert local.files(copy) == {}
    (local.folder / "www" / "Foreign").mkdir()
    (local.folder / "www" / "Foreign" / POINTER_NAME).write_text("{}")
    foreign = local.publish("job-0003", title="Foreign", asset=OTHER)
    with pytest.raises(TargetTakenError, match="not ours"):
        local.make(local.want(foreign, layout="{title}"), foreign)


def test_a_new_title_moves_the_video_and_the_old_folder_says_so(local: TargetWorld) -> None:
    local.copy(local.publish("job-0001", "Tides"), layout="{title}")
    local.copy(local.publish("job-0002", "Tides again"), layout="{title}")

    old, new = local.pointer("Tides"), local.pointer("Tides-again")
    assert old is not None
    assert old["retracted_version"] == 1
    assert new is not None
    assert new["version"] == 2


def test_a_target_that_moved_leaves_nothing_in_its_old_place(local: TargetWorld, tmp_path: Path) -> None:
    manifest = local.publish()
    old = local.copy(manifest)
    (tmp_path / "new").mkdir()
    before, local.url = local.target, f"file://{tmp_path / 'new'}"
    local.target = open_store(local.url)

    local.copy(manifest)

    assert sorted(local.states()) == [(1, "there"), (1, "withdrawing")]
    local.withdraw(before)
    assert list(before.list(old.prefix)) == []
    assert local.states() == [(1, "there")]


def test_other_parts_of_the_same_version_are_sent_or_removed(local: TargetWorld) -> None:
    manifest = local.publish()
    copy = local.copy(manifest, parts=("mp4", "captions"))
    small = {"video.mp4", "captions-en.vtt", "captions-en.srt", "new-in-some-version.bin"}
    assert set(local.files(copy)) == small

    local.copy(manifest, parts=("hls",))
    hls = {path for path in FILES if path.endswith(".m3u8") or "/" in path} | {"captions-en.vtt"}
    assert set(local.files(copy)) == hls | {"new-in-some-version.bin"}
    pointer = local.pointer()
    assert pointer is not None
    assert pointer["paths"] == {"hls": "master.m3u8"}


def test_all_parts_together_are_all_files() -> None:
    manifest = sample_manifest(ASSET).model_copy(update={"files": FILES, "captions": (CAPTIONS,), "audio": SOUND})

    assert files_of(manifest, ALL_PARTS) == FILES
    dash: tuple[TargetPart, ...] = ("dash",)
    assert {"manifest.mpd", "720p/init.mp4", "captions-en.vtt"} <= set(files_of(manifest, dash))
    assert "master.m3u8" not in files_of(manifest, dash)


def test_a_bucket_that_is_not_there_or_lets_nobody_in_is_for_a_person(s3: S3Server, local: TargetWorld) -> None:
    manifest = local.publish()
    copy = local.want(manifest)
    for bucket, secret in (("nobody-made-it", s3.secret_key), (s3.bucket, "not the key")):
        options = {"endpoint_url": s3.endpoint_url, "access_key": s3.access_key, "secret_key": secret}
        with pytest.raises(TargetRefusedError, match="'cdn' lets us do nothing") as refused:
            local.make(copy, manifest, open_store(f"s3://{bucket}/x", **options))
        assert not refused.value.retryable


def test_what_a_person_approves_is_copied_by_upkeep_and_fulfilled_when_it_is_there(local: TargetWorld) -> None:
    sample = sample_manifest(ASSET, 1, "held-0001")
    wish = PublishTarget(name="cdn", url=local.url)
    held = {"files": FILES, "held_because": "The recipe.", "targets": (wish,), "content_key": "held"}
    manifest = sample.model_copy(update=held)
    for path, size in FILES.items():
        local.store.put_bytes(b"x" * size, manifest.prefix + path)
    with local.database.session() as session:
        CandidateRepository(session).wait(manifest, "work", manifest.held_because)

    approved = approve(local.store, local.database, ASSET.id, ANN)

    with local.database.session() as session:
        [copy] = CopyRepository(session).due(datetime.now(UTC))
        assert FulfilmentRepository(session).fulfilled([(ASSET.id, "work")]) == {}
    assert (copy.state, copy.work_key, copy.version) == (CopyState.WANTED, "work", approved.version)


def test_taking_away_twice_is_taking_away_once(local: TargetWorld) -> None:
    copy = local.copy(local.publish())
    with local.database.session() as session:
        CopyRepository(session).withdraw(copy)

    take_away(local.database, local.target, copy)
    take_away(local.database, local.target, copy)

    assert local.states() == []


def test_an_own_store_that_fails_is_not_blamed_on_the_target(local: TargetWorld) -> None:
    manifest = local.publish()
    copy = local.want(manifest)

    class Broken(FailingStore):
        def fetch(self, key: str, target: Path) -> Path:
            raise StoreUnavailableError("The own store is away.")

    with pytest.raises(StoreUnavailableError, match="own store"):
        make_copy(Broken(local.store, 1), local.database, local.target, copy, manifest, local.folder)
