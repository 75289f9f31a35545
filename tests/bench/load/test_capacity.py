"""The reckoning behind the capacity report, and the videos that it is made with."""

import json
import math
from pathlib import Path

import pytest

from tasks.media.tools import find_tools
from tests.bench.load.capacity import Round, Video, as_json, as_markdown, best, machines_for
from tests.bench.load.clips import videos_of


def published(begin: float, end: float, error: str = "") -> Video:
    return Video(5_000_000, begin, begin + 1, end, work_seconds=end - begin - 2, error=error)


ONE = Round(1, 5, (published(0, 10), published(0, 20)), {"runs": 12.0, "cpu-worker": 2.0, "postgres": 1.0})
TWO = Round(2, 5, (published(0, 12), published(1, 15), published(1, 9, "DATA.INPUT.CORRUPT")))


def test_a_rounds_figures_count_what_was_published_in_the_time_of_all() -> None:
    assert (ONE.videos_a_minute, ONE.megabytes_a_second, ONE.errors) == (6.0, 0.5, 0)
    assert (TWO.videos_a_minute, TWO.errors) == (8.0, 1)
    assert ONE.percentile(50, "seconds") == 15
    assert ONE.percentile(95, "work_seconds") == pytest.approx(17.5)
    assert (ONE.processor_a_video(shared=False), ONE.processor_a_video(shared=True)) == (7.0, 0.5)


def test_a_night_takes_whole_machines() -> None:
    assert machines_for(480, videos_a_minute=1, hours=8) == 1
    assert machines_for(481, videos_a_minute=1, hours=8) == 2


def test_the_report_goes_by_the_best_round_of_each_size() -> None:
    text = as_markdown([ONE, TWO], {"recipe": "quick"})

    assert best([ONE, TWO]) == {5: TWO}
    assert "| 5 | 2 workers | 1 | 1 | 3 |" in text
    assert "| 5 | 1 | 2 | 0 | 6.0 | 0.50 | 15.0 | 19.5 | 13.0 | 7.5 | 0.50 |" in text
    assert "one core of theirs carries 120 videos a minute, which is 20 such machines" in as_markdown([ONE], {})
    assert json.loads(json.dumps(as_json([ONE], {})))["rounds"][0]["videos_a_minute"] == 6.0


def test_a_round_in_which_nothing_was_published_is_said_and_promises_nothing() -> None:
    failed = Round(1, 5, (published(0, 10, "INFRA"),))

    assert math.isnan(failed.percentile(50, "seconds"))
    assert "Machines for a night" not in as_markdown([failed], {})


def test_videos_have_their_size_and_bytes_of_their_own(tmp_path: Path) -> None:
    one, other = videos_of(find_tools(), tmp_path, 1, 2)

    assert one.stat().st_size == pytest.approx(1e6, rel=0.15)
    assert one.read_bytes() != other.read_bytes()
