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
