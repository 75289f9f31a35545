import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.domain.publications import Chapter
from tasks.media.captions import Word
from tasks.media.chapters import MAX_TITLE_CHARACTERS, Shot, chapters_from_shots, chapters_vtt


def shots_at(*starts: float, duration: float) -> tuple[Shot, ...]:
    return tuple(Shot(a, b) for a, b in zip(starts, (*starts[1:], duration), strict=True))


def said(text: str, start: float, seconds_a_word: float = 0.3) -> list[Word]:
    return [
        Word(token, start + i * seconds_a_word, start + (i + 1) * seconds_a_word)
        for i, token in enumerate(text.split())
    ]


def starts_of(chapters: tuple[Chapter, ...]) -> list[float]:
    return [chapter.start_seconds for chapter in chapters]


def test_a_video_without_cuts_is_one_chapter() -> None:
    (chapter,) = chapters_from_shots(shots_at(0, duration=90), 90, 10, 20)

    assert (chapter.start_seconds, chapter.end_seconds, chapter.title) == (0, 90, "Chapter 1")


def test_a_video_without_duration_has_no_chapters() -> None:
    assert chapters_from_shots((), 0, 10, 20) == ()
    assert len(chapters_from_shots((), 5, 10, 20)) == 1


def test_short_shots_are_joined_and_chapters_start_at_cuts() -> None:
    chapters = chapters_from_shots(shots_at(0, 2, 4, 14, 16, 31, 33, duration=45), 45, 10, 20)

    assert starts_of(chapters) == [0, 16, 31]


def test_many_cuts_make_no_more_than_the_allowed_chapters_of_about_even_length() -> None:
    shots = shots_at(*(i * 3.0 for i in range(200)), duration=600)

    chapters = chapters_from_shots(shots, 600, 10, 5)

    assert len(chapters) <= 5
    assert all(80 <= chapter.end_seconds - chapter.start_seconds <= 200 for chapter in chapters)


def test_a_chapter_starts_between_sentences_where_a_cut_allows_it() -> None:
    words = [*said("One two three four five six seven.", 13.5), *said("A new thought begins here.", 17.0)]

    chapters = chapters_from_shots(shots_at(0, 15, 16.5, duration=30), 30, 10, 20, words)

    assert starts_of(chapters) == [0, 16.5]


def test_a_chapter_is_titled_by_the_first_sentence_that_starts_in_it() -> None:
    words = [*said("it was dark,", 13.9), *said("and cold. then came the morning, bright and clear.", 14.8)]

    first, second = chapters_from_shots(shots_at(0, 15, duration=30), 30, 10, 20, words)

    assert first.title == "It was dark"
    assert second.title == "Then came the morning, bright and clear"


def test_a_long_title_is_cut_at_a_word() -> None:
    words = said("the period was so far like the present period that some of its authorities insisted", 1)

    (chapter,) = chapters_from_shots((), 30, 10, 20, words)

    assert chapter.title == "The period was so far like the present period…"
    assert len(chapter.title) <= MAX_TITLE_CHARACTERS + 1


def test_a_chapter_in_which_nobody_speaks_has_its_number() -> None:
    _, second = chapters_from_shots(shots_at(0, 15, duration=30), 30, 10, 20, said("Only at the start.", 1))

    assert second.title == "Chapter 2"


def test_chapters_are_written_as_webvtt() -> None:
    chapters = (
        Chapter(start_seconds=0, end_seconds=12.5, title="Ham & eggs <now>"),
        Chapter(start_seconds=12.5, end_seconds=3700, title="Chapter 2"),
    )

    assert chapters_vtt(chapters) == (
        "WEBVTT\n\n1\n00:00:00.000 --> 00:00:12.500\nHam &amp; eggs &lt;now&gt;\n"
        "\n2\n00:00:12.500 --> 01:01:40.000\nChapter 2\n"
    )


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(0, 120),
    duration=st.floats(0.04, 4000),
    min_seconds=st.floats(1, 60),
    max_count=st.integers(1, 30),
)
def test_whatever_the_cuts_the_chapters_cover_the_video_within_the_limits(
    seed: int, count: int, duration: float, min_seconds: float, max_count: int
) -> None:
    chance = random.Random(seed)
    cuts = sorted({0.0, *(chance.uniform(0, duration * 1.1) for _ in range(count))})
    shots = shots_at(*cuts, duration=max(duration, cuts[-1]))

    chapters = chapters_from_shots(shots, duration, min_seconds, max_count)

    assert chapters[0].start_seconds == 0
    assert chapters[-1].end_seconds == duration
    assert 1 <= len(chapters) <= max_count
    for before, after in pairwise(chapters):
        assert before.end_seconds == after.start_seconds
        assert after.start_seconds in cuts
    if len(chapters) > 1:
        assert min(c.end_seconds - c.start_seconds for c in chapters) >= min_seconds - 1e-6


def test_a_long_film_is_divided_in_a_moment() -> None:
    shots = shots_at(*(i * 3.6 for i in range(2000)), duration=7200)

    chapters = chapters_from_shots(shots, 7200, 10, 20)

    assert 15 <= len(chapters) <= 20
    assert chapters[0].end_seconds == pytest.approx(7200 / len(chapters), rel=0.2)
