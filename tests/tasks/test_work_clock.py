import time

from tasks.work_clock import WorkClock


def test_the_clock_stands_still_until_the_last_who_stopped_it_is_done() -> None:
    clock = WorkClock()
    one, other = clock.stopped(), clock.stopped()

    with one:
        began = clock.worked_seconds()
        other.__enter__()
    still = clock.worked_seconds()
    other.__exit__(None, None, None)

    assert still == began
    assert clock.worked_seconds() > 0


def test_it_runs_on_from_where_it_was_stopped() -> None:
    clock = WorkClock()
    with clock.stopped():
        stopped_at = clock.worked_seconds()

    first, second = clock.worked_seconds(), clock.worked_seconds()

    assert stopped_at <= first <= second


def test_it_runs_while_one_works_though_another_waits() -> None:
    clock = WorkClock()
    with clock.stopped():
        before = clock.worked_seconds()
        with clock.going():
            began = clock.worked_seconds()
            time.sleep(0.01)
            worked = clock.worked_seconds()
            with clock.stopped():
                pass
        still = clock.worked_seconds()
        time.sleep(0.01)

        assert began >= before
        assert worked - began >= 0.009
        assert clock.worked_seconds() == still >= worked


def test_who_begins_to_wait_beside_one_that_works_stops_it_only_when_that_is_done() -> None:
    clock = WorkClock()
    work, wait = clock.going(), clock.stopped()
    work.__enter__()
    wait.__enter__()
    first = clock.worked_seconds()
    time.sleep(0.01)
    assert clock.worked_seconds() > first
    work.__exit__(None, None, None)
    still = clock.worked_seconds()
    time.sleep(0.01)
    assert clock.worked_seconds() == still
    wait.__exit__(None, None, None)
    time.sleep(0.01)
    assert clock.worked_seconds() > still
