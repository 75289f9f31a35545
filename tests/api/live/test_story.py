"""What is new for a listener, and what becomes of one who is slow or was away for long."""

import uuid
from datetime import UTC, datetime, timedelta

from api.gateway.watching import Line, Look
from api.live.place import Place
from api.live.story import KEPT_LINES, Event, Listener, Story
from api.schemas import Job, LogLine, Transition
from data.domain.jobs import JobState

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
RUN = uuid.uuid4()


def job(state: JobState = JobState.RUNNING) -> Job:
    return Job(
        id=str(RUN),
        title="x",
        owner="local",
        state=state,
        attempt=1,
        progress=0.5,
        created_at=BEGAN,
        priority="default",
    )


def line(second: float, message: str = "") -> Line:
    at = BEGAN + timedelta(seconds=second)
    shown = LogLine(at=at, level="INFO", logger="x", message=message or f"line {second}", run_id=str(RUN))
    return Line(uuid.uuid4(), RUN, at, shown)


def story(count: int = 0) -> Story:
    moves = (Transition(at=BEGAN, state=JobState.RUNNING, prefect_state="Running"),)
    told = Story(Look(job(), BEGAN, frozenset({RUN})), moves)
    told.add(line(number) for number in range(count))
    return told


def messages(events: list[Event]) -> list[str]:
    return [event.data["message"] for event in events if event.kind == "log"]


def test_a_line_that_comes_late_is_told_though_later_ones_were() -> None:
    told = story(3)
    listener = Listener(told, Place())
    list(listener.news())

    told.add([line(0.5, "late")])

    assert messages(list(listener.news())) == ["late"]


def test_a_line_that_is_known_is_not_told_again() -> None:
    told = story(1)
    listener = Listener(told, Place())
    first = list(listener.news())

    is_new = told.add(list(told.lines))

    assert not is_new
    assert (len(messages(first)), list(listener.news())) == (1, [])


def test_who_is_too_slow_is_asked_to_come_back_and_the_story_stays_small() -> None:
    told = story(1)
    listener = Listener(told, Place())
    list(listener.news())

    told.add(line(number) for number in range(1, KEPT_LINES + 10))

    assert [event.kind for event in listener.news()] == ["reconnect"]
    assert len(told.lines) == KEPT_LINES


def test_who_was_away_for_too_many_lines_is_told_where_to_read_them() -> None:
    told = story(5)
    away = list(Listener(told, Place()).news())[-1].place
    told.add(line(number) for number in range(5, KEPT_LINES + 100))

    news = list(Listener(told, away).news())

    assert news[0].kind == "gap"
    assert news[0].data["after"]
    assert len(messages(news)) == KEPT_LINES


def test_who_was_away_for_a_few_lines_gets_just_those() -> None:
    told = story(KEPT_LINES + 100)
    away = list(Listener(told, Place()).news())[-1].place
    told.add([line(KEPT_LINES + 200), line(KEPT_LINES + 201)])

    news = list(Listener(told, Place.decode(away.encode())).news())

    assert [event.kind for event in news] == ["log", "log"]


def test_the_end_is_told_once_also_to_who_comes_back() -> None:
    told = story(1)
    told.look = Look(job(JobState.SUCCEEDED), BEGAN, frozenset({RUN}))
    told.is_over = True
    heard = list(Listener(told, Place()).news())

    again = list(Listener(told, heard[-1].place).news())

    assert [event.kind for event in heard][-1] == "end"
    assert again == []
