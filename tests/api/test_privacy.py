"""What may be said of the machine's files: their names, not their places."""

import pytest

from api.privacy import without_local_paths


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Error opening input file file:/home/x/scratch/a-1/source.", "Error opening input file file:…/source."),
        ("Opening file:///home/x/a.mp4 failed", "Opening …/a.mp4 failed"),
        ("Denied: '/home/My Name/store/k.mp4' -> \"/a/b\"", "Denied: '…/k.mp4' -> \"…/b\""),
        ("/Users/b/Library/Application Support/x/q: No space left", "…/q: No space left"),
        ("ffmpeg at /usr/bin/ffmpeg (PATH) lacks libx264", "ffmpeg at …/ffmpeg (PATH) lacks libx264"),
        ("two: /a/b:/c/d, /e//f", "two: …/b:…/d, …/f"),
        ('on socket "/run/postgresql/.s.PGSQL.5432"', 'on socket "…/.s.PGSQL.5432"'),
    ],
)
def test_of_a_local_path_only_the_last_part_is_shown(text: str, shown: str) -> None:
    assert without_local_paths(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://media.example/films/a.mp4 answered HTTP 500.",
        "s3://bucket/sources/a/b failed",
        "No object sources/ab/cd.mp4.",
        "25/1 frames and/or 16/9/4",
        "Ask /retry",
    ],
)
def test_what_only_looks_like_a_path_stays(text: str) -> None:
    assert without_local_paths(text) == text


def test_a_path_that_the_caller_gave_stays_but_nothing_beside_it() -> None:
    text = "/srv/it's/a.mp4 is no video; see /srv/it is/b.mp4, /srv/it's/a.mp4.log/x and /x/srv/it's/a.mp4"

    shown = without_local_paths(text, known="/srv/it's/a.mp4")

    assert shown.startswith("/srv/it's/a.mp4 is no video; see …/b.mp4, ")
    assert "/x/" not in shown


@pytest.mark.parametrize("known", ["/", "//", "", "upload:x", "a"])
def test_a_source_that_is_no_path_uncovers_nothing(known: str) -> None:
    assert without_local_paths("/a/b", known=known) == "…/b"


@pytest.mark.parametrize("text", ["a/" * 50_000, "/a b c " * 20_000, "'/" * 50_000, "/" + "a " * 50_000, "/" * 100_000])
def test_long_nonsense_takes_no_time(text: str) -> None:
    without_local_paths(text)  # a pattern that backtracks would run into the time limit of the test
