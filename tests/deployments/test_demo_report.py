import io
from typing import Any

from rich.console import Console

from deployments.demo_job import JobSnapshot
from deployments.demo_report import (
    Display,
    first_caption_lines,
    readable_quality,
    readable_size,
    readable_time,
    tables,
)

WEBVTT = """WEBVTT

NOTE made by a machine

1
00:00:00.500 --> 00:00:03.000 line:85%
It <00:00:00.800><c>was</c> the best of times,
it was the worst of times,

2
00:00:03.000 --> 00:00:05.000
it was the age of wisdom,
"""


def test_caption_lines_are_shown_without_the_times_of_their_words() -> None:
    assert first_caption_lines(WEBVTT) == [
        "It was the best of times,",
        "it was the worst of times,",
        "it was the age of wisdom,",
    ]
    assert len(first_caption_lines(WEBVTT, count=2)) == 2


def test_numbers_are_written_for_people() -> None:
    assert [readable_size(size) for size in (12, 1536, 5 * 1024**2, 3 * 1024**3)] == [
        "12 B",
        "1.5 KiB",
        "5.0 MiB",
        "3.0 GiB",
    ]
    assert readable_time(125.9) == "2:05"
    assert readable_quality({"vmaf": 95.3}) == "VMAF 95.3"
    assert readable_quality({}) == "–"


def test_the_tables_show_what_was_made() -> None:
    summary: dict[str, Any] = {
        "asset": {
            "publication": {
                "renditions": [
                    {
                        "name": "720p",
                        "width": 1280,
                        "height": 720,
                        "frame_rate": "24",
                        "average_kbps": 1800,
                        "size_bytes": 10_000_000,
                    }
                ],
                "captions": [{"language": "en", "word_count": 90, "cue_count": 12}],
                "chapters": [],
                "provenance": {"summary": "captions (whisper)", "signed": ["video.mp4"], "signer": "Studio"},
            }
        },
        "quality": {"720p": {"vmaf": 94.1}},
        "caption_lines": {"en": ["It was the best of times,"]},
        "timings": {"steps": {"ingest": 0.5}},
        "checks": [{"name": "the playlist decodes", "passed": False, "detail": "[hls] broken"}],
    }
    output = io.StringIO()

    Console(file=output, width=160).print(tables(summary))

    text = output.getvalue()
    for expected in (
        "1280×720",
        "VMAF 94.1",
        "It was the best",
        "0.5 s",
        "failed",
        "[hls] broken",
        "captions (whisper)",
        "by Studio",
    ):
        assert expected in text


def test_without_a_terminal_each_thing_is_said_once_on_a_line_of_its_own() -> None:
    output = io.StringIO()
    seen = {"id": "1", "state": "running", "steps": [{"name": "ingest", "progress": 0.5}]}

    with Display(Console(file=output)) as display:
        display.show(JobSnapshot.of(seen))
        display.show(JobSnapshot.of(seen))
        display.show(JobSnapshot.of({**seen, "state": "succeeded"}))

    assert output.getvalue().splitlines() == ["job is running", "step ingest", "job is succeeded"]
