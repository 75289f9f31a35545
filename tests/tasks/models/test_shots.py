from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path

import pytest

from data.domain.errors import CorruptInputError
from tasks.media.process import run_ffmpeg
from tasks.media.tools import find_tools
from tasks.models.shots import detect_shots
from tests.fakes.clips import clip

PIECES = (
    # clip, from (s), frames at 24 a second: each piece is one shot of its clip
    ("bbb", 64.0, 30),
    ("bikes", 3.2, 40),
    ("carphone_pristine", 0.5, 24),
    ("bbb", 200.5, 36),
    ("single_face_video", 0.2, 44),
    ("world", 4.0, 30),
    ("bikes", 5.8, 33),
    ("bbb", 306.0, 28),
    ("no_face_video", 0.5, 50),
    ("carphone_pristine", 2.0, 26),
    ("a", 1.0, 31),
    ("bikes", 7.8, 36),
)
RATE = 24


def ffmpeg(arguments: Sequence[str], log_path: Path) -> None:
    run_ffmpeg(arguments, tools=find_tools(), log_path=log_path)


@pytest.fixture(scope="module")
def cut_together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pieces of real clips with hard cuts at known frames."""
    folder = tmp_path_factory.mktemp("cuts")
    inputs = [part for name, start, _ in PIECES for part in ("-ss", str(start), "-t", "3", "-i", str(clip(name)))]
    fit = f"fps={RATE},scale=426:240:force_original_aspect_ratio=decrease,pad=426:240:-1:-1,setsar=1,format=yuv420p"
    graph = [f"[{i}:v]{fit},trim=end_frame={frames}[v{i}]" for i, (_, _, frames) in enumerate(PIECES)]
    graph.append("".join(f"[v{i}]" for i in range(len(PIECES))) + f"concat=n={len(PIECES)}[out]")
    target = folder / "cuts.mp4"
    encode = ["-map", "[out]", "-c:v", "libx264", "-preset", "ultrafast", str(target)]
    ffmpeg([*inputs, "-filter_complex", ";".join(graph), *encode], folder / "log")
    return target


def test_hard_cuts_are_found_to_the_frame_and_none_is_invented(cut_together: Path) -> None:
    cuts = [frames / RATE for frames in accumulate(frames for _, _, frames in PIECES)][:-1]

    found = [shot.start_seconds for shot in detect_shots(cut_together)][1:]

    hits = [cut for cut in cuts if any(abs(cut - at) <= 1.001 / RATE for at in found)]
    inventions = [at for at in found if all(abs(cut - at) > 1.001 / RATE for cut in cuts)]
    assert len(hits) / len(cuts) >= 0.95
    assert inventions == []


def test_shots_are_contiguous_from_the_start_to_the_end(cut_together: Path) -> None:
    shots = detect_shots(cut_together)

    assert shots[0].start_seconds == 0
    assert shots[-1].end_seconds == pytest.approx(sum(frames for _, _, frames in PIECES) / RATE, abs=0.05)
    assert all(a.end_seconds == b.start_seconds for a, b in pairwise(shots))


@pytest.mark.parametrize("name", ["carphone_pristine", "world", "single_face_video", "bigbuckbunny"])
def test_movement_within_a_shot_is_no_cut(name: str) -> None:
    assert len(detect_shots(clip(name))) == 1


def test_the_cuts_of_a_real_edit_are_found() -> None:
    found = [round(shot.start_seconds, 2) for shot in detect_shots(clip("bikes"))]

    assert found == [0.0, 1.2, 3.04, 5.48, 7.48, 9.68]  # looked at: each is a cut, and there is no other


def test_one_frame_is_one_shot(tmp_path: Path) -> None:
    target = tmp_path / "frame.mp4"
    ffmpeg(["-i", str(clip("bikes")), "-frames:v", "1", "-c:v", "libx264", str(target)], tmp_path / "log")

    (shot,) = detect_shots(target)

    assert shot.start_seconds == 0
    assert shot.end_seconds > 0


def test_a_file_that_is_no_video_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video" * 1000)

    for path in (tmp_path / "a.mp4", tmp_path / "missing.mp4"):
        with pytest.raises(CorruptInputError):
            detect_shots(path)
