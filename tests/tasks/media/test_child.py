import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.media.child import signals_held
from tasks.media.process import run_tool


class TerminationError(Exception):
    pass


def terminate(*_: object) -> None:
    raise TerminationError


@pytest.fixture
def terminated() -> Iterator[None]:
    """Turn TERM into an exception, as Prefect does."""
    before = signal.signal(signal.SIGTERM, terminate)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("terminated")
def test_a_signal_that_becomes_an_exception_waits_until_the_child_is_known() -> None:
    steps: list[str] = []

    def start() -> None:
        with signals_held():
            os.kill(os.getpid(), signal.SIGTERM)
            steps.append("child started")
        steps.append("nobody told")

    with pytest.raises(TerminationError):
        start()

    assert steps == ["child started"]
    assert signal.getsignal(signal.SIGTERM) is terminate


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.usefixtures("terminated")
def test_a_child_listens_to_all_signals(tmp_path: Path) -> None:
    answer = tmp_path / "answer"

    run_tool(["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"], log_path=tmp_path / "log", stdout_path=answer)

    blocked, ignored = (int(line.split()[1], 16) for line in answer.read_text().splitlines())
    assert blocked == 0
    assert not ignored & 1 << (signal.SIGTERM - 1)
