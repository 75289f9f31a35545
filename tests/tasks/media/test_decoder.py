"""Reading what a decoder writes: one that is late is waited for, one that is stuck is ended."""

import sys
import threading
import time
from pathlib import Path

import pytest

from data.domain.errors import EncoderStalledError
from tasks.interruption import main_thread_cpu_seconds
from tasks.media.decoder import reading
from tasks.media.process import Limits

LATE = [sys.executable, "-c", "import time; time.sleep(2.2); print('late', end='')"]
STUCK = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_who_waits_for_a_late_decoder_looks_up_meanwhile(tmp_path: Path) -> None:
    seen: list[float] = []

    def watch() -> None:
        for seconds in (0.7, 1.0):
            time.sleep(seconds)
            seen.append(main_thread_cpu_seconds())

    with reading(LATE, tmp_path / "log", stall_seconds=30, run_id="") as reader:
        watcher = threading.Thread(target=watch)
        watcher.start()
        assert list(reader.pieces(16)) == [b"late"]
        watcher.join()

    assert seen[1] > seen[0]


def test_a_decoder_that_gives_nothing_for_too_long_is_ended(tmp_path: Path) -> None:
    stuck = reading(STUCK, tmp_path / "log", stall_seconds=0.2, run_id="")
    with pytest.raises(EncoderStalledError), stuck as reader:
        list(reader.pieces(16))


def test_what_nobody_will_see_has_time_to_be_decoded() -> None:
    assert Limits(stall_seconds=120).patient(600).stall_seconds >= 120 + 600
    assert Limits().patient(0) == Limits()
