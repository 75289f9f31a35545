"""A person reads what was found, and what was not."""

from data.domain.analysis import EventKind
from tasks.showing.sentences import clock, markdown, sentences
from tests.fakes.sightings import SUMMARY


def test_what_was_found_is_said_in_sentences() -> None:
    assert sentences(SUMMARY) == (
        "2 moving things were followed.",
        "Door: 1 went in, 1 came out, at most 1 at once, for 0.4 s on average.",
        "Gate: crossed 1 × forward and 0 × backward.",
        "Looked at: 10 frames of 0:01.0, at 160 × 90 pixels, by Motion by hand.",
    )


def test_that_nothing_was_found_is_said_too() -> None:
    nothing = SUMMARY.model_copy(update={"tracks": (), "track_count": 0, "zones": (), "event_counts": {}})

    assert sentences(nothing)[0] == "Nothing was found that could be followed."


def test_a_simulation_says_so_first() -> None:
    simulated = SUMMARY.model_copy(update={"is_simulated": True})

    assert sentences(simulated)[0].startswith("SIMULATED")


def test_flicker_is_a_warning() -> None:
    flickering = SUMMARY.model_copy(update={"event_counts": {"flicker": 2, "black": 1}})

    said = sentences(flickering)
    assert any(line.startswith("Warning") for line in said)
    assert "In places it is black (1 ×)." in said


def test_what_the_video_is_throughout_is_said() -> None:
    dead = SUMMARY.model_copy(update={"throughout": (EventKind.FREEZE, EventKind.UNDEREXPOSED, EventKind.SILENCE)})
    black = SUMMARY.model_copy(update={"throughout": (EventKind.BLACK,)})

    assert "From beginning to end it is frozen, too dark and silent." in sentences(dead)
    assert "From beginning to end it is black." in sentences(black)


def test_one_cut_makes_two_shots() -> None:
    cut = SUMMARY.model_copy(update={"event_counts": {"shot": 1}})

    assert "It has 2 shots." in sentences(cut)


def test_the_summary_is_markdown_with_the_longest_tracks() -> None:
    text = markdown("vtest.avi", SUMMARY, sentences(SUMMARY))

    assert text.startswith("# Analysis of vtest.avi\n")
    assert "| 1 | moving | 0:00.0 | 0:00.9 | 0.90 |" in text


def test_a_time_has_hours_only_where_there_are_some() -> None:
    assert (clock(59.96), clock(61.24), clock(3661)) == ("1:00.0", "1:01.2", "1:01:01.0")
