import subprocess
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from data.domain.assets import SourceFacts
from data.domain.edits import TrimOptions
from data.domain.errors import TruncatedInputError
from tasks.media.decoding import Clip, DecodeContext, decoded_pictures
from tasks.media.frames import Picture
from tasks.media.mezzanine import Changes, VoiceOver, mezzanine_arguments, write_mezzanine
from tasks.media.probe import probe
from tasks.media.process import Limits, Progress
from tasks.media.tools import find_tools
from tests.fakes.nasty_inputs import Canaries, build_nasty_input
from tests.fakes.source_facts import source_facts

TOOLS = find_tools()


def same(index: int, picture: Picture) -> Picture:
    return picture


def mezzanine_of(
    source: Path, scratch: Path, changes: Changes, on_progress: Callable[[Progress], None] | None = None
) -> tuple[SourceFacts, SourceFacts, Path]:
    """Write a mezzanine of a source, and return the facts of both."""
    facts = probe(source, TOOLS)
    target = scratch / "mezzanine.mp4"
    write_mezzanine(
        Clip(source, facts),
        changes,
        target,
        scratch=scratch,
        tools=TOOLS,
        threads=1,
        limits=Limits(),
        on_progress=on_progress,
    )
    return facts, probe(target, TOOLS), target


@pytest.mark.parametrize("operations", [(same,), ()], ids=["piped", "direct"])
@pytest.mark.parametrize(
    "name", ["rotated", "odd-size-4:4:4", "variable-rate", "hlg", "no-sound", "one-frame", "5.1", "interlaced"]
)
def test_every_kind_of_input_keeps_its_time_its_size_and_its_sound(
    name: str, operations: tuple[Callable[[int, Picture], Picture], ...], tmp_path: Path
) -> None:
    nasty = build_nasty_input(name, tmp_path, TOOLS.ffmpeg, Canaries("http://127.0.0.1:9/", tmp_path / "canary"))

    before, after, _ = mezzanine_of(nasty.path, tmp_path, Changes(operations))

    assert abs(after.duration_seconds - before.duration_seconds) <= 1 / before.video.frame_rate
    assert after.video.frame_rate == before.video.frame_rate
    assert (after.video.width, after.video.height) == (before.video.width // 2 * 2, before.video.height // 2 * 2)
    assert not after.video.is_hdr
    assert (after.audio and after.audio.channels) == (before.audio and before.audio.channels)


@pytest.fixture(scope="module")
def flash(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of grey at 25/s in which a white flash and a beep come at one second."""
    target = tmp_path_factory.mktemp("flash") / "flash.mp4"
    picture = "color=gray:s=160x90:r=25:d=3,drawbox=color=white:t=fill:enable='between(t,1,1.2)'"
    sound = "aevalsrc='if(between(t,1,1.2),sin(2*PI*880*t),0)':s=48000:d=3"
    command = [TOOLS.ffmpeg, "-v", "error", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, target]
    subprocess.run(command, check=True)
    return target


def test_sound_and_picture_stay_together(flash: Path, tmp_path: Path) -> None:
    _, _, target = mezzanine_of(flash, tmp_path, Changes((same,)))

    with av.open(str(target)) as container:
        light = [float(frame.to_ndarray(format="gray").mean()) for frame in container.decode(video=0)]
    with av.open(str(target)) as container:
        sound = np.concatenate([frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)])
    first_flash = next(index for index, each in enumerate(light) if each > 200) / 25
    first_beep = float(np.argmax(np.abs(sound.astype(float)) > 0.1 * np.abs(sound.astype(float)).max())) / 48_000
    assert first_flash == pytest.approx(1.0, abs=0.001)
    assert first_beep == pytest.approx(first_flash, abs=1 / 25)


def test_colours_come_through_the_pipe_as_they_were(tmp_path: Path, flash: Path) -> None:
    source = tmp_path / "bars.mp4"
    made = [TOOLS.ffmpeg, "-v", "error", "-f", "lavfi", "-i", "smptebars=s=320x180:r=10:d=0.5", "-pix_fmt", "yuv420p"]
    subprocess.run([*made, source], check=True)

    _, _, target = mezzanine_of(source, tmp_path, Changes((same,)))

    context = DecodeContext(TOOLS)
    seen = []
    for path in (source, target):
        clip = Clip(path, probe(path, TOOLS))
        with decoded_pictures(clip, clip.size, context, tmp_path / "log") as pictures:
            seen.append(next(iter(pictures)).astype(int))
    assert np.abs(seen[0] - seen[1]).mean() < 1.5


def test_frames_are_changed_in_turn_and_to_another_size(flash: Path, tmp_path: Path) -> None:
    numbers = []

    def count(index: int, picture: Picture) -> Picture:
        numbers.append(index)
        return picture

    def halve(index: int, picture: Picture) -> Picture:
        return np.ascontiguousarray(picture[::2, ::2][:44])

    _, after, _ = mezzanine_of(flash, tmp_path, Changes((count, halve), size=(80, 44)))

    assert numbers == list(range(75))
    assert (after.video.width, after.video.height) == (80, 44)


def test_a_failing_operation_ends_everything_and_is_raised(flash: Path, tmp_path: Path) -> None:
    def fail(index: int, picture: Picture) -> Picture:
        if index == 3:
            raise LookupError("no such thing")
        return picture

    with pytest.raises(LookupError):
        mezzanine_of(flash, tmp_path, Changes((fail,)))

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("frames")]


def test_a_stop_from_outside_ends_decoder_and_encoder(flash: Path, tmp_path: Path) -> None:
    waiting = threading.Event()

    def slow(index: int, picture: Picture) -> Picture:
        waiting.wait(0.05)
        return picture

    def stop(told: Progress) -> None:
        raise InterruptedError("stop")

    with pytest.raises(InterruptedError):
        mezzanine_of(flash, tmp_path, Changes((slow,)), stop)

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("frames")]


@pytest.mark.parametrize("operations", [(same,), ()], ids=["piped", "direct"])
def test_a_source_that_ends_early_is_not_taken_for_whole(
    operations: tuple[Callable[[int, Picture], Picture], ...], flash: Path, tmp_path: Path
) -> None:
    facts = probe(flash, TOOLS).model_copy(update={"duration_seconds": 9.0})

    with pytest.raises(TruncatedInputError):
        write_mezzanine(
            Clip(flash, facts),
            Changes(operations),
            tmp_path / "out.mp4",
            scratch=tmp_path,
            tools=TOOLS,
            threads=1,
            limits=Limits(),
        )


def test_the_picture_is_decoded_once_and_safely() -> None:
    clip = Clip(Path("/in/clip.mp4"), source_facts(641, 271))

    piped = mezzanine_arguments(clip, Changes((same,)), Path("/out.mp4"), 2)
    direct = mezzanine_arguments(clip, Changes(), Path("/out.mp4"), 2)

    assert clip.size == (640, 270)
    assert piped.count("-i") == 2  # the pipe, and the source for its sound
    assert piped.count("-format_whitelist") == direct.count("-format_whitelist") >= 1
    assert "fps=" not in " ".join(piped)  # that was done before the pipe
    assert clip.frame_rate == Fraction(25)


def test_of_a_voice_that_began_before_the_part_only_the_rest_is_heard() -> None:
    clip = Clip(Path("/in/clip.mp4"), source_facts(duration_seconds=60), TrimOptions(start_seconds=20, end_seconds=30))

    built = " ".join(
        mezzanine_arguments(clip, Changes(voice=VoiceOver(Path("/voice.wav"), -2.5, 8.0)), Path("/o.mp4"), 2)
    )

    assert "-ss 19.520000" in built
    assert "atrim=start=2.500000" in built
    assert "adelay=0" in built
