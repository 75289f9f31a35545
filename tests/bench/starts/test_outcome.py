import pytest

from tests.bench.starts.cpu import Cpu
from tests.bench.starts.outcome import RunTimes, burst_of, waits_with_free_slot

NO_CPU = Cpu()


def test_a_run_that_waits_for_a_slot_is_not_late_for_lack_of_polling() -> None:
    runs = [RunTimes(0.5, 1, 20), RunTimes(20.5, 21, 40), RunTimes(41, 42, 60, was_late=True)]

    burst = burst_of("warm", 3, runs, limit=1, busy_share=0.5, cpu=NO_CPU)

    assert waits_with_free_slot(runs, limit=1) == [0.5, 0.5, 1.0]
    assert (burst.late, burst.marked_late, burst.longest_poll_seconds) == (0, 1, 1.0)


def test_a_run_that_nobody_asks_for_beside_a_free_slot_is_late() -> None:
    runs = [RunTimes(1, 2, 3), RunTimes(17, 18, 19)]

    assert burst_of("stock", 2, runs, limit=2, busy_share=0.1, cpu=NO_CPU).late == 1


def test_runs_that_did_not_complete_are_lost() -> None:
    assert burst_of("warm", 5, [RunTimes(1, 2, 3)], limit=8, busy_share=0.1, cpu=NO_CPU).lost == 4
    assert burst_of("warm", 5, [], limit=8, busy_share=0.1, cpu=NO_CPU).lost == 5


def test_what_the_server_uses_anyway_is_not_charged_to_runs() -> None:
    used = Cpu(run=1.0, worker=0.5, server=3.0, database=0.1).since(Cpu(0.5, 0.25, 1.0, 0.0))

    charged = used.less(Cpu(run=9, worker=9, server=0.1, database=0.1), seconds=10)

    assert (charged.run, charged.worker, charged.server, charged.database) == pytest.approx((0.5, 0.25, 1.0, 0.0))
    assert charged.total == pytest.approx(1.75)
