"""A flow with one step, which works in a way that the test chooses: ``python -m tests.fakes.stoppable_flow HOW``.

A number after that is the delay in seconds before a step is tried again.
"""

import ctypes
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from prefect import flow, task
from prefect.runtime import flow_run

from data.domain.errors import StoreUnavailableError
from data.settings import get_settings
from data.storage import open_store
from tasks.chunk_helpers import ChunkHelpers
from tasks.chunk_store import ChunkStore
from tasks.chunks import LocalPiecework
from tasks.media.chunks import Chunk, Piece
from tasks.media.pieces import PieceMaker
from tasks.media.process import Progress
from tasks.media.slots import holding_slot
from tasks.policies import encode_slots, retry_after
from tasks.progress import StepProgress
from tasks.stopping import at_work, stoppable, waiting
from tasks.workspace import encode_rank


def sleep() -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as child:
        try:
            print("child", child.pid, flush=True)
            time.sleep(60)
        finally:
            child.terminate()


def hang() -> None:
    """Wait where no signal reaches, with a child that ignores TERM."""
    stubborn = "trap '' TERM; echo child $$; while true; do sleep 1; done"
    subprocess.Popen(["bash", "-c", stubborn], start_new_session=True)
    mutex, libc = ctypes.create_string_buffer(64), ctypes.CDLL(None)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)


attempts = 0


def stall_once() -> None:
    """Do nothing at all the first time."""
    global attempts
    attempts += 1
    if attempts == 1:
        threading.Lock().acquire()
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()


def fail_once() -> None:
    """Fail the first time, in a way that is tried again."""
    global attempts
    attempts += 1
    if attempts == 1:
        print("failing", attempts, flush=True)
        raise StoreUnavailableError("away")


def wait() -> None:
    """Wait for others longer than the job may work."""
    with waiting():
        time.sleep(6)


class Endless:
    """Makes a piece until it is stopped; after half a minute it is not to be stopped."""

    def make(self, piece: Piece, directory: Path, threads: int, on_progress: Callable[[Progress], None]) -> Any:
        for _ in range(300):
            on_progress(Progress(0.5, 1, 1.0, 1.0, 0.5))
            time.sleep(0.1)
        raise StoreUnavailableError("nobody stopped it")


def encode_in_lanes() -> None:
    """Encode in one of two lanes, while the other one waits for its encode slot, which somebody else has."""
    folder = Path(tempfile.mkdtemp())
    given = {"ENCODE_SLOTS": "2", "ENCODER_THREADS": "1", "SLOTS_DIRECTORY": str(folder / "slots")}
    os.environ.update({f"DAILIES_MEDIA__{name}": value for name, value in given.items()})
    get_settings.cache_clear()
    pieces = [Piece(name, 1.0, cast("Chunk", name)) for name in ("first", "second")]
    kept = ChunkStore(open_store(f"file://{folder}/store"), "asset", "key")
    work = LocalPiecework(1.0, kept, folder, StepProgress("transcode"), ChunkHelpers(0, lambda _: {}), share=1.0)
    with holding_slot(encode_slots(get_settings())):
        work.make(cast("PieceMaker", Endless()), pieces)


def tell_rank() -> None:
    """Say with which rank it would wait for an encode slot, until that is the most urgent one."""
    print("rank", encode_rank(), flush=True)
    while encode_rank() != 1:
        time.sleep(0.05)
    print("rank", encode_rank(), flush=True)


WAYS: dict[str, Callable[[], None]] = {
    "sleep": sleep,
    "hang": hang,
    "stall-once": stall_once,
    "fail-once": fail_once,
    "wait": wait,
    "encode-in-lanes": encode_in_lanes,
    "tell-rank": tell_rank,
}
DELAY_SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0


@task(retries=1, retry_delay_seconds=DELAY_SECONDS, retry_condition_fn=retry_after)
def step(how: str) -> int:
    with at_work():
        WAYS[how]()
    return attempts


@flow
def stoppable_flow(how: str) -> int:
    with stoppable():
        print("run", flow_run.get_id(), flush=True)
        return step(how)


if __name__ == "__main__":
    print("result", stoppable_flow(sys.argv[1]))
