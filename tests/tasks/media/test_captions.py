import random
import re
from html import unescape
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.media.captions import Cue, Word, build_cues, join_words, to_srt, to_webvtt

ParsedCue = tuple[float, float, list[str], list[float]]

TIMING = re.compile(r"(\d{2,}):([0-5]\d):([0-5]\d)([.,])(\d{3}) --> (\d{2,}):([0-5]\d):([0-5]\d)\4(\d{3})")
TAG = re.compile(r"<(\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3})>")


def seconds_of(hours: str, minutes: str, seconds: str, milliseconds: str) -> float:
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(milliseconds) / 1000


def parse(text: str, point: str) -> list[ParsedCue]:
    """Parse SRT or WebVTT strictly: numbered blocks, a timing line, text lines, a blank line between blocks."""
    assert text.endswith("\n")
    parsed = []
    for number, block in enumerate(filter(None, text.strip("\n").split("\n\n")), 1):
        identifier, timing, *lines = block.split("\n")
        match = TIMING.fullmatch(timing)
        assert identifier == str(number)
        assert match, timing
        assert match[4] == point
        assert lines
        start, end = seconds_of(*match.group(1, 2, 3, 5)), seconds_of(*match.group(6, 7, 8, 9))
        tags = [seconds_of(*tag) for line in lines for tag in TAG.findall(line)]
        parsed.append((start, end, lines, tags))
    return parsed


def parse_webvtt(text: str) -> list[ParsedCue]:
    header, _, body = text.removesuffix("\n").partition("\n\n")
    assert header == "WEBVTT"
    cues = parse(body + "\n", ".") if body else []
    for start, end, lines, tags in cues:
        # The format: each time tag lies after the one before it, and within the cue.
        assert all(a < b for a, b in zip([start, *tags], [*tags, end], strict=True))
        for line in lines:
            assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", TAG.sub("", line)), line
    return [(start, end, [unescape(TAG.sub("", line)) for line in lines], tags) for start, end, lines, tags in cues]


def speak(text: str, *, start: float = 0.0, seconds_a_word: float = 0.3, sentence_pause: float = 0.6) -> list[Word]:
    """Words with even times and a pause after each sentence."""
    words = []
    for token in text.split():
        words.append(Word(token, round(start, 3), round(start + seconds_a_word, 3)))
        start += seconds_a_word + (sentence_pause if token[-1] in ".?!" else 0)
    return words


def texts(cues: tuple[Cue, ...]) -> list[str]:
    return [cue.text for cue in cues]


def test_no_words_make_no_cues_and_files_that_are_still_valid() -> None:
    assert build_cues(()) == ()
    assert to_srt(()) == ""
    assert to_webvtt(()).strip() == "WEBVTT"


def test_a_cue_ends_with_its_sentence() -> None:
    cues = build_cues(speak("We had everything before us. We had nothing, and nobody knew it then."))

    assert texts(cues) == ["We had everything before us.", "We had nothing, and nobody knew it then."]


def test_two_short_sentences_said_in_one_breath_share_a_cue() -> None:
    cues = build_cues(speak("Yes, we do. No, we do not.", sentence_pause=0.1))

    assert texts(cues) == ["Yes, we do. No, we do not."]


def test_two_lines_are_balanced_and_broken_at_a_comma_rather_than_after_an_article() -> None:
    cue, *_ = build_cues(speak("When the lights went out in the city, the people began to sing."))

    assert cue.lines == ("When the lights went out in the city,", "the people began to sing.")


def test_no_cue_spans_a_long_silence() -> None:
    words = [*speak("And then there"), *speak("was light", start=5)]

    assert texts(build_cues(words)) == ["And then there", "was light"]


def test_a_short_word_stays_long_enough_to_be_read() -> None:
    (cue,) = build_cues([Word("No.", 3.0, 3.1)], duration_seconds=10)

    assert cue.end_seconds - cue.start_seconds == pytest.approx(1.0)


def test_a_short_word_at_the_very_end_comes_earlier_rather_than_end_too_late() -> None:
    (cue,) = build_cues([Word("No.", 9.8, 10.3)], duration_seconds=10)

    assert (cue.start_seconds, cue.end_seconds) == (9.0, 10.0)


def test_a_cue_does_not_stay_through_a_long_silence() -> None:
    first, _ = build_cues([*speak("This was said long ago."), *speak("And this later.", start=60)])

    assert first.end_seconds < 3


def test_a_tiny_gap_between_cues_is_closed_so_that_nothing_flickers() -> None:
    words = [*speak("This is one sentence of some length."), *speak("And this one follows at once.", start=2.6)]

    first, second = build_cues(words)
    assert first.end_seconds == second.start_seconds


def test_a_word_longer_than_a_line_is_never_split() -> None:
    word = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"

    cues = build_cues(speak(f"Die {word} ruht."), max_line_characters=20)

    assert word in [line for cue in cues for line in cue.lines]


def test_words_that_join_are_written_without_a_space() -> None:
    words = [Word("再", 0, 0.3), Word("见", 0.3, 0.6, joins_previous=True), Word("well", 1, 1.2)]

    assert join_words(words) == "再见 well"


def test_wide_characters_take_two_columns() -> None:
    words = [Word("字", i * 0.2, i * 0.2 + 0.2, joins_previous=i > 0) for i in range(30)]

    assert all(len(line) <= 10 for cue in build_cues(words, 20, 2) for line in cue.lines)


def test_markup_in_speech_is_escaped() -> None:
    text = to_webvtt(build_cues([Word("a<b>&c-->d", 0, 1), Word("</c>", 1, 2)]))

    assert "a&lt;b&gt;&amp;c--&gt;d <00:00:01.000>&lt;/c&gt;" in text
    assert parse_webvtt(text)[0][2] == ["a<b>&c-->d </c>"]


def test_line_breaks_and_control_characters_in_words_do_no_harm() -> None:
    words = [Word("one\n\n2\n00:00", 0, 1), Word("\u2028two\x00\x1b", 1, 2), Word(" \n", 2, 3)]

    assert [cue[2] for cue in parse(to_srt(build_cues(words)), ",")] == [["one 2 00:00 two"]]


def test_times_over_an_hour_are_written_in_full() -> None:
    cues = build_cues([Word("late", 3723.004, 3725.5)])

    assert to_srt(cues).startswith("1\n01:02:03,004 --> 01:02:05,800\nlate\n")


def test_each_word_after_the_first_has_its_time() -> None:
    assert "It <00:00:00.300>was <00:00:00.600>so." in to_webvtt(build_cues(speak("It was so.")))


def test_faulty_times_are_set_right() -> None:
    words = [Word("one", 5, 4), Word("two", 3, 3.5), Word("three", -1, 100), Word("four", 99, 120)]

    cues = build_cues(words, duration_seconds=10)

    assert " ".join(text for cue in cues for text in cue.lines) == "one two three four"
    check_limits(cues, 42, 2, 10)


def check_limits(cues: tuple[Cue, ...], max_width: int, max_lines: int, duration_seconds: float) -> None:
    for cue in cues:
        assert 0 <= cue.start_seconds < cue.end_seconds <= duration_seconds
        assert cue.end_seconds - cue.start_seconds <= 7.0005
        assert len(cue.lines) <= max_lines
        assert all(len(line) <= max_width or " " not in line for line in cue.lines)
    for before, after in pairwise(cues):
        assert before.end_seconds <= after.start_seconds


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(0, 80),
    max_width=st.integers(16, 60),
    max_lines=st.integers(1, 4),
)
def test_whatever_is_said_the_limits_hold_no_word_is_lost_and_both_files_parse_back(
    seed: int, count: int, max_width: int, max_lines: int
) -> None:
    chance = random.Random(seed)
    words, now = [], chance.uniform(0, 3)
    for _ in range(count):
        text = "".join(chance.choices("abcdefgh&<>é", k=chance.randint(1, 14))) + chance.choice(["", "", "", ",", "."])
        length = chance.choice([0.0, 0.05, 0.2, 0.4, 1.0])
        words.append(Word(text, now, now + length))
        now += length + chance.choice([0.0, 0.0, 0.1, 0.5, 2.0])
    duration = now + 1.0

    cues = build_cues(words, max_width, max_lines, duration_seconds=duration)

    check_limits(cues, max_width, max_lines, duration)
    said = " ".join(word.text for word in words)
    assert " ".join(line for cue in cues for line in cue.lines) == said
    for parsed in (parse(to_srt(cues), ",") if cues else [], parse_webvtt(to_webvtt(cues))):
        assert [(start, end, lines) for start, end, lines, _ in parsed] == [
            (pytest.approx(cue.start_seconds), pytest.approx(cue.end_seconds), list(cue.lines)) for cue in cues
        ]


def test_captions_without_word_times_have_no_tags() -> None:
    cues = build_cues([Word("Hello", 0.0, 0.5), Word("<there>", 0.6, 1.0)])

    assert "<00:" in to_webvtt(cues)
    assert to_webvtt(cues, word_times=False).splitlines()[-1] == "Hello &lt;there&gt;"
