"""Batches on a real stack, from a manifest to a report: corrupt rows, pauses, and processes that are killed."""

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.objects import StateType

from data.domain.batches import BatchReason, BatchState, BatchWish, ItemState
from data.domain.errors import NotFoundError
from deployments.stack import Stack
from tasks.media.tools import find_tools
from tests.conftest import WaitUntil
from tests.fakes.batch_client import BatchClient
from tests.fakes.clips import clip, own_copy
from tests.fakes.stack_processes import encoders, engines

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def batches(stack: Stack, media_root: Path) -> BatchClient:
    return BatchClient(stack, media_root)


@pytest.fixture(scope="module")
def clips(media_root: Path) -> list[Path]:
    """Nine seconds of film, each a file."""
    made = [media_root / f"second-{number}.mp4" for number in range(9)]
    for number, path in enumerate(made):
        command = [find_tools().ffmpeg, "-v", "error", "-y", "-ss", str(70 + 9 * number), "-t", "1", "-i", clip("bbb")]
        subprocess.run([*command, "-vf", "scale=-2:240", "-c:v", "libx264", "-preset", "ultrafast", path], check=True)
    return made


@pytest.fixture(scope="module")
def broken(media_root: Path, clips: list[Path]) -> list[Path]:
    """Three files that are no video any more."""
    made = [media_root / f"broken-{number}.mp4" for number in range(3)]
    for number, path in enumerate(made):
        whole = clips[number].read_bytes()
        path.write_bytes(whole[: len(whole) // 2] if number else b"not a video at all " * 100)
    return made


def rows(paths: list[Path], **fields: Any) -> Rows:
    return [{"custom_id": path.stem, "source": str(path), **fields} for path in paths]


@pytest.fixture
def two_at_once(batches: BatchClient) -> Iterator[None]:
    """A pool of two slots: a dozen items are many to it, however long others took by which these are estimated."""
    limit = batches.prefect.read_work_pool("cpu").concurrency_limit
    batches.prefect.update_work_pool("cpu", WorkPoolUpdate(concurrency_limit=2))
    yield
    batches.prefect.update_work_pool("cpu", WorkPoolUpdate(concurrency_limit=limit))


@pytest.mark.usefixtures("two_at_once")
def test_a_batch_with_corrupt_rows_names_each_and_delays_no_other(
    batches: BatchClient, clips: list[Path], broken: list[Path]
) -> None:
    mixed = rows(clips[:2]) + rows(broken) + rows(clips[2:])
    mixed[0]["poster.faces"] = True  # has an AI step, which goes to the gpu pool

    # However long the encodes of other tests took, by which those of this one are estimated: no item is long.
    batch_id = batches.submit(mixed, recipe="quick", failure_budget={"share": 0.9}, pack_seconds=3600)
    batch = batches.ended(batch_id)

    items = batches.items(batch_id)
    assert (batch.state, batches.counts(batch_id).balances) == (BatchState.COMPLETED, True)
    assert {name for name, item in items.items() if item.state is ItemState.FAILED} == {path.stem for path in broken}
    assert all(items[path.stem].failure_class == "DATA" and items[path.stem].message for path in broken)
    good = [items[path.stem] for path in clips]
    assert {item.state for item in good} == {ItemState.SUCCEEDED}
    assert [batches.versions(item.asset_id) for item in good] == [1] * 9
    assert {item.attempt for item in items.values()} == {1}
    assert len(batches.runs(batch_id)) < len(items)

    again = batches.submit(mixed, recipe="quick", failure_budget={"share": 0.9, "min_items": 20})
    batches.ended(again)

    assert (batches.counts(again).skipped, batches.counts(again).failed) == (9, 3)


def test_a_batch_is_paused_resumed_and_cancelled(batches: BatchClient, stack: Stack, clips: list[Path]) -> None:
    wanted = rows(clips, title="paused", recipe="quick")
    batch_id = batches.submit(wanted, pack_seconds=0, max_concurrency=1)
    batches.wait_for(batch_id, lambda _, counts: counts.succeeded >= 1)

    batches.wish(batch_id, BatchWish.PAUSE)
    paused = batches.wait_for(
        batch_id, lambda batch, counts: batch.state is BatchState.PAUSED and counts.in_flight == 0
    )
    assert paused.reason is BatchReason.REQUEST
    done = batches.counts(batch_id).succeeded
    assert batches.counts(batch_id).pending == 9 - done

    batches.wish(batch_id, BatchWish.RUN)
    batches.wait_for(batch_id, lambda _, counts: counts.running and counts.succeeded > done)
    batches.wish(batch_id, BatchWish.CANCEL)
    batch = batches.ended(batch_id)

    counts = batches.counts(batch_id)
    assert (batch.state, counts.balances) == (BatchState.CANCELLED, True)
    assert counts.cancelled >= 1
    assert counts.succeeded + counts.cancelled == 9
    assert encoders(stack.stack_id) == []
    assert {run.state.type.value for run in batches.runs(batch_id) if run.state} <= {"COMPLETED", "CANCELLED"}


def test_a_pack_that_is_killed_while_it_publishes_loses_nothing_and_publishes_nothing_twice(
    batches: BatchClient, stack: Stack, clips: list[Path], media_root: Path, wait_until: WaitUntil
) -> None:
    fresh = [own_copy(path, media_root / f"fresh-{number}.mp4") for number, path in enumerate(clips[:4])]
    batch_id = batches.submit(rows(fresh, recipe="quick"), max_concurrency=1)
    wait_until(lambda: publishing(batches, batch_id), 120, "an item to be published")

    [run] = [run for run in batches.runs(batch_id) if run.state_type is StateType.RUNNING]
    for engine in engines(stack.stack_id, str(run.id)):
        os.kill(engine.pid, signal.SIGKILL)
    batch = batches.ended(batch_id)

    items = batches.items(batch_id).values()
    assert (batch.state, batches.counts(batch_id).succeeded) == (BatchState.COMPLETED, 4)
    assert max(item.attempt for item in items) == 2
    assert [batches.versions(item.asset_id) for item in items] == [1] * 4


def publishing(batches: BatchClient, batch_id: str) -> bool:
    try:
        return any(item.step == "publish" and not item.ended_at for item in batches.items(batch_id).values())
    except NotFoundError:
        return False


def test_a_rehearsed_batch_survives_the_death_of_anything(
    batches: BatchClient, stack: Stack, clips: list[Path]
) -> None:
    chance = random.Random(4)
    wanted = [
        {"custom_id": f"row-{number}", "source": str(clips[number % 9]), "title": str(number)} for number in range(300)
    ]
    batch_id = batches.submit(wanted, recipe="rehearsal", pack_seconds=0.4, max_concurrency=4)
    batches.wait_for(batch_id, lambda _, counts: counts.succeeded)

    for _ in range(6):
        before = batches.counts(batch_id).succeeded
        at_work = [str(run.id) for run in batches.runs(batch_id) if run.state_type is StateType.RUNNING]
        victims = [each for run_id in (batch_id, *at_work) for each in engines(stack.stack_id, run_id)]
        for victim in chance.sample(victims, min(2, len(victims))):
            with suppress(ProcessLookupError):
                os.kill(victim.pid, signal.SIGKILL)
        batches.wait_for(
            batch_id, lambda batch, counts, before=before: batch.ended_at or counts.succeeded > before, timeout=200
        )
    batch = batches.ended(batch_id)

    counts, items = batches.counts(batch_id), batches.items(batch_id)
    assert (batch.state, counts.succeeded, counts.balances) == (BatchState.COMPLETED, 300, True)
    # Each run was made for some items once: as many runs as there were keys.
    keys = [run.idempotency_key for run in batches.runs(batch_id)]
    assert len(keys) == len(set(keys))
    assert {item.run_key for item in items.values()} <= set(keys)
