import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data.locks import HeldLock, file_lock
from tests.fakes.processes import wait_until

HOLDER = """
import os, subprocess, sys, time
from pathlib import Path
from data.locks import HeldLock
lock = HeldLock.take(Path(sys.argv[1]))
if sys.argv[2] == "program":
    print(subprocess.Popen(["sleep", "60"], close_fds=False).pid, flush=True)
elif pid := os.fork():
    print(pid, flush=True)
time.sleep(60)
"""


def test_a_held_lock_is_not_given_away_until_it_is_released(tmp_path: Path) -> None:
    lock = HeldLock.take(tmp_path / "lock")
    assert lock is not None
    assert HeldLock.take(tmp_path / "lock") is None

    lock.release()
    lock.release()

    again = HeldLock.take(tmp_path / "lock")
    assert again is not None
    again.release()


def _taken(path: Path, found: list[HeldLock]) -> bool:
    lock = HeldLock.take(path)
    found += [lock] if lock else []
    return bool(found)


@pytest.mark.parametrize("kind", ["program", "fork"])
def test_a_killed_holder_leaves_its_lock_to_nobody_that_it_started(tmp_path: Path, kind: str) -> None:
    command = [sys.executable, "-c", HOLDER, tmp_path / "lock", kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        heir = int(holder.stdout.readline())
        assert HeldLock.take(tmp_path / "lock") is None

        holder.kill()
        holder.wait()
        found: list[HeldLock] = []
        try:
            # A fork lets go as its first act, which may still be before it when its parent dies.
            wait_until(lambda: _taken(tmp_path / "lock", found), 10, "the lock to be free")
        finally:
            os.kill(heir, signal.SIGKILL)

    found[0].release()


def test_a_fork_that_ends_does_not_take_its_parents_lock_away(tmp_path: Path) -> None:
    code = "\n".join(
        (
            "import os, sys, time",
            "from pathlib import Path",
            "from data.locks import HeldLock",
            "lock = HeldLock.take(Path(sys.argv[1]))",
            "child = os.fork()",
            "if not child: lock.release(); os._exit(0)",
            "os.waitpid(child, 0)",
            "print('held', flush=True)",
            "time.sleep(60)",
        )
    )
    with subprocess.Popen([sys.executable, "-c", code, tmp_path / "lock"], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        found = HeldLock.take(tmp_path / "lock")
        holder.kill()

    assert found is None
    wait_until(lambda: (lock := HeldLock.take(tmp_path / "lock")) is not None and not lock.release(), 5, "its release")


def test_waiting_for_a_lock_ends_with_its_time(tmp_path: Path) -> None:
    with (
        file_lock(tmp_path / "lock", 1),
        pytest.raises(TimeoutError, match="not free"),
        file_lock(tmp_path / "lock", 0.05),
    ):
        pass

    with file_lock(tmp_path / "lock", 0):
        pass
