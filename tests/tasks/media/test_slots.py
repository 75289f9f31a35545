"""Slots between real processes: each of them waits, says what it got, and lets go when it is told to."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data.domain.errors import InfrastructureError
from tasks.media.slots import EncodeSlots, holding_slot
from tests.fakes.processes import wait_until

PROGRAM = """
import sys, time
from pathlib import Path
from tasks.media.slots import EncodeSlots, holding_slot
directory, units, most, ranks = sys.argv[1], *map(int, sys.argv[2:4]), Path(sys.argv[4])
rank = lambda: int(ranks.read_text())
def say(*words): print(*words, flush=True)
with holding_slot(EncodeSlots(Path(directory), units, most), rank=rank, on_wait=lambda n: say("wait", n)) as grant:
    say("got", grant.threads)
    sys.stdin.readline()
"""

CROWD = """
import os, sys
from pathlib import Path
from tasks.media.slots import EncodeSlots, holding_slot
journal = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for _ in range(6):
    with holding_slot(EncodeSlots(Path(sys.argv[1]), 3, 2)) as grant:
        os.write(journal, b"+%d\\n" % grant.threads)
        os.write(journal, b"-%d\\n" % grant.threads)
"""


class Encode:
    """A process that wants a slot."""

    def __init__(self, slots: EncodeSlots, log: Path, rank: int = 0) -> None:
        self._log = log
        self.directory = slots.directory
        self._rank = log.with_suffix(".rank")
        self.has_rank(rank)
        command = [sys.executable, "-c", PROGRAM, slots.directory, slots.units, slots.threads_per_encode, self._rank]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                list(map(str, command)), stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def said(self) -> list[str]:
        return self._log.read_text().splitlines()

    @property
    def threads(self) -> int | None:
        """Threads that were granted; ``None`` while it waits."""
        found = re.search(r"got (\d+)", self._log.read_text())
        return int(found[1]) if found else None

    def has_rank(self, rank: int) -> "Encode":
        new = self._rank.with_suffix(".new")
        new.write_text(str(rank))
        new.replace(self._rank)
        return self

    def waits_at(self, position: int) -> "Encode":
        wait_until(lambda: self.said[-1:] == [f"wait {position}"], 20, f"place {position}, not {self.said}")
        return self

    def gets(self, threads: int) -> "Encode":
        wait_until(lambda: self.threads is not None, 20, f"a slot, not {self.said}")
        assert self.threads == threads
        return self

    def finish(self) -> None:
        self.process.communicate(b"\n", timeout=20)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)


Start = Callable[..., Encode]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return what starts a process that wants a slot: units of the machine, most of one encode, rank."""
    started: list[Encode] = []

    def run(units: int = 2, most: int = 8, rank: int = 0) -> Encode:
        encode = Encode(EncodeSlots(tmp_path / "slots", units, most), tmp_path / f"{len(started)}.log", rank)
        started.append(encode)
        return encode

    yield run
    for encode in started:
        encode.process.kill()
        encode.process.communicate()


def tickets(directory: Path) -> list[str]:
    return [path.name for path in directory.glob("ticket-*")]


def test_a_lone_encode_takes_the_whole_machine_up_to_its_most(tmp_path: Path) -> None:
    with holding_slot(EncodeSlots(tmp_path, units=2, threads_per_encode=8)) as small:
        pass
    with holding_slot(EncodeSlots(tmp_path, units=16, threads_per_encode=8)) as large:
        pass

    assert (small.threads, large.threads) == (2, 8)
    assert tickets(tmp_path) == []


def test_two_that_wait_together_get_half_each(start: Start) -> None:
    holder = start(units=4).gets(4)
    first = start(units=4).waits_at(1)
    second = start(units=4).waits_at(2)

    holder.finish()

    first.gets(2)
    second.gets(2)


def test_an_encode_begins_with_what_is_free_rather_than_wait_for_its_share(start: Start) -> None:
    start(units=3, most=2).gets(2)

    start(units=3, most=2).gets(1)


def test_first_come_is_first_served(start: Start) -> None:
    holder = start(units=1).gets(1)
    waiting = [start(units=1).waits_at(position) for position in (1, 2, 3)]

    for index, encode in enumerate(waiting):
        holder.finish()
        holder = encode.gets(1)
        assert [each.threads for each in waiting[index + 1 :]] == [None] * (2 - index)


def test_the_position_is_told_once_each_time_it_changes(start: Start) -> None:
    holder = start(units=1).gets(1)
    first = start(units=1).waits_at(1)
    second = start(units=1).waits_at(2)

    holder.finish()
    first.gets(1)
    second.waits_at(1)
    first.finish()
    second.gets(1)

    assert first.said == ["wait 1", "got 1"]
    assert second.said == ["wait 2", "wait 1", "got 1"]


def test_a_more_urgent_rank_goes_first(start: Start) -> None:
    holder = start(units=1, rank=2).gets(1)
    ordinary = start(units=1, rank=2).waits_at(1)
    urgent = start(units=1, rank=1).waits_at(1)
    ordinary.waits_at(2)

    holder.finish()

    urgent.gets(1)
    ordinary.waits_at(1)


def test_a_rank_that_changes_during_the_wait_counts_from_then_on(start: Start) -> None:
    holder = start(units=1, rank=2).gets(1)
    first = start(units=1, rank=2).waits_at(1)
    second = start(units=1, rank=2).waits_at(2)
    third = start(units=1, rank=2).waits_at(3)

    third.has_rank(1).waits_at(1)
    first.waits_at(2)
    first.has_rank(3).waits_at(3)
    second.waits_at(2)

    first.has_rank(2).waits_at(2)  # with its old number, before the one that came later
    second.waits_at(3)
    holder.finish()
    third.gets(1)
    assert len(tickets(first.directory)) == 2


def test_the_units_of_a_killed_holder_are_free(start: Start) -> None:
    holder = start(units=2).gets(2)
    waiting = start(units=2).waits_at(1)

    holder.kill()

    waiting.gets(2)


def test_a_killed_waiter_leaves_no_hole(start: Start, tmp_path: Path) -> None:
    holder = start(units=2).gets(2)
    first, second, third = (start(units=2).waits_at(position) for position in (1, 2, 3))

    second.kill()
    third.waits_at(2)
    first.kill()
    third.waits_at(1)
    assert len(tickets(tmp_path / "slots")) == 1
    holder.finish()

    third.gets(2)


def test_waiters_that_were_killed_do_not_make_the_share_smaller(start: Start) -> None:
    holder = start(units=2).gets(2)
    first = start(units=2).waits_at(1)
    second = start(units=2).waits_at(2)

    second.kill()
    holder.kill()

    first.gets(2)


def test_a_signal_ends_the_wait_and_gives_up_the_place(start: Start, tmp_path: Path) -> None:
    start(units=1).gets(1)
    waiting = start(units=1).waits_at(1)

    waiting.process.send_signal(signal.SIGINT)

    waiting.process.wait(5)
    assert "KeyboardInterrupt" in waiting.said
    assert tickets(tmp_path / "slots") == []


def test_what_the_listener_raises_ends_the_wait(tmp_path: Path) -> None:
    slots = EncodeSlots(tmp_path, units=1, threads_per_encode=1)

    def refuse(position: int) -> None:
        raise ZeroDivisionError

    with holding_slot(slots), pytest.raises(ZeroDivisionError), holding_slot(slots, on_wait=refuse):
        pass

    assert tickets(tmp_path) == []


def test_a_failed_encode_gives_its_units_back(tmp_path: Path) -> None:
    slots = EncodeSlots(tmp_path, units=2, threads_per_encode=2)
    with pytest.raises(ZeroDivisionError), holding_slot(slots):
        raise ZeroDivisionError

    with holding_slot(slots) as grant:
        assert grant.threads == 2


def test_a_crowd_never_holds_more_than_there_is(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    command = [sys.executable, "-c", CROWD, tmp_path / "slots", journal]
    crowd = [subprocess.Popen(command) for _ in range(4)]
    codes = [process.wait(60) for process in crowd]

    changes = [int(line) for line in journal.read_text().split()]
    held = [sum(changes[: index + 1]) for index in range(len(changes))]
    assert codes == [0] * 4
    assert len(changes) == 4 * 6 * 2
    assert max(held) <= 3
    assert tickets(tmp_path / "slots") == []


def test_a_directory_that_cannot_be_used_is_the_machines_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(InfrastructureError, match="cannot be used"), holding_slot(EncodeSlots(tmp_path / "file", 1, 1)):
        pass
