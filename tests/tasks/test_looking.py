"""A video is looked at as a whole: every frame that is wanted has a row, and what is left is whole."""

import subprocess
from pathlib import Path

import av
import pandas
import pytest

from data.domain.analysis import AnalysisFile, AnalysisOptions, AnalysisReport, EventKind
from tasks.looking import Footage, Looking, analysis_plan
from tasks.media.decoding import Clip
from tasks.media.probe import probe
from tasks.media.tools import find_tools

TOOLS = find_tools()
ONCE = "loop=100:1:0,setpts=N/10/TB"
"""The first picture again and again."""


def looked_at(
    scratch: Path, picture: str, options: AnalysisOptions, sound: str = "sine"
) -> tuple[AnalysisReport, Path]:
    """Look at two seconds of a picture with a tone; return the report, and where the files are."""
    source = scratch / "source.mp4"
    command = [TOOLS.ffmpeg, "-v", "error", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-t", "2"]
    subprocess.run([*command, source], check=True)
    clip = Clip(source, probe(source, TOOLS))
    footage, plan = Footage(clip, clip), analysis_plan(clip, options, None, None)
    looking = Looking(scratch, TOOLS)
    found = looking.look(footage, plan)
    if options.annotate:
        looking.draw(footage, plan, found.summary)
    return looking.report(found, options, "clip.mp4", "key", "artifacts/a/"), looking.directory


def test_each_frame_that_is_wanted_has_a_row_and_each_frame_is_drawn(tmp_path: Path) -> None:
    options = AnalysisOptions(enabled=True, detector="mock", fps=5)

    report, folder = looked_at(tmp_path, "testsrc2=size=320x180:rate=25", options)

    assert set(report.files) == {each.value for each in AnalysisFile}
    assert list(pandas.read_parquet(folder / AnalysisFile.FRAMES)["frame"]) == list(range(0, 50, 5))
    with av.open(str(folder / AnalysisFile.ANNOTATED)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 50
    assert report.sentences[0].startswith("SIMULATED")
    assert report.summary.is_simulated


def test_nothing_is_invented_on_a_black_picture(tmp_path: Path) -> None:
    options = AnalysisOptions(enabled=True, annotate=False, max_frames=20)

    report, folder = looked_at(tmp_path, "color=black:size=320x180:rate=25", options)

    assert AnalysisFile.ANNOTATED not in report.files
    assert report.summary.frame_count <= 20
    assert pandas.read_parquet(folder / AnalysisFile.TELEMETRY).empty
    assert (folder / AnalysisFile.EVENTS).read_text() == ""
    assert report.summary.event_counts == {}
    assert "From beginning to end it is black." in report.sentences


def test_what_cancels_itself_out_in_mono_is_no_silence(tmp_path: Path) -> None:
    options = AnalysisOptions(enabled=True, annotate=False, max_frames=1)

    report, _ = looked_at(tmp_path, "testsrc2=size=320x180", options, sound="aevalsrc=0.3*sin(2764*t)|-0.3*sin(2764*t)")

    assert EventKind.SILENCE not in report.summary.throughout


@pytest.mark.parametrize("picture", ["smptebars=size=320x180:rate=10", f"mandelbrot=size=320x180:rate=10,{ONCE}"])
def test_nothing_is_invented_on_a_still_picture(tmp_path: Path, picture: str) -> None:
    options = AnalysisOptions(enabled=True, annotate=False)

    report, folder = looked_at(tmp_path, picture, options)

    assert (folder / AnalysisFile.EVENTS).read_text() == ""
    assert "From beginning to end it is frozen." in report.sentences
