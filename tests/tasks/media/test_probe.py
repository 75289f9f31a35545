import os
import shutil
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from data.domain.assets import SourceFacts
from data.domain.errors import (
    CorruptInputError,
    DataError,
    EncoderStalledError,
    InputTooLargeError,
    NotMediaError,
    SourceNotFoundError,
    TruncatedInputError,
    UnsupportedInputError,
)
from tasks.media.probe import probe, probe_sound, safe_input
from tasks.media.process import Limits
from tasks.media.tools import Toolset, find_tools
from tests.fakes.nasty_inputs import (
    BUILDERS,
    POINTING_INPUTS,
    Canaries,
    NastyInput,
    build_nasty_input,
    watched_canaries,
)

PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=2")
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


@pytest.fixture(scope="module")
def tools() -> Toolset:
    return find_tools()


@pytest.fixture(scope="module")
def canaries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canaries]:
    with watched_canaries(tmp_path_factory.mktemp("canaries")) as watched:
        yield watched


class Nasties:
    """Nasty inputs, each made when it is first asked for."""

    def __init__(self, folder: Path, tools: Toolset, canaries: Canaries) -> None:
        self._folder, self._tools, self._canaries = folder, tools, canaries
        self._made: dict[str, NastyInput] = {}

    def __getitem__(self, name: str) -> NastyInput:
        if name not in self._made:
            self._made[name] = build_nasty_input(name, self._folder, self._tools.ffmpeg, self._canaries)
        return self._made[name]

    def facts(self, name: str) -> SourceFacts:
        return probe(self[name].path, self._tools)


@pytest.fixture(scope="module")
def nasties(tmp_path_factory: pytest.TempPathFactory, tools: Toolset, canaries: Canaries) -> Nasties:
    return Nasties(tmp_path_factory.mktemp("nasty"), tools, canaries)


def make(target: Path, tools: Toolset, *arguments: str) -> Path:
    subprocess.run([tools.ffmpeg, "-v", "error", "-y", *arguments, target], check=True)
    return target


@pytest.mark.parametrize("name", BUILDERS)
def test_every_nasty_input_is_probed_or_refused_by_type(
    name: str, nasties: Nasties, tools: Toolset, canaries: Canaries, tmp_path: Path
) -> None:
    nasty = nasties[name]

    if nasty.probe_error is None:
        facts = probe(nasty.path, tools, scratch=tmp_path)
        assert facts.duration_seconds >= float(1 / facts.video.frame_rate)
    else:
        with pytest.raises(nasty.probe_error):
            probe(nasty.path, tools, scratch=tmp_path)
    assert canaries.opened == []
    assert list(tmp_path.iterdir()) == []


NATURAL_SUFFIXES = {
    "hls": "m3u8",
    "dash": "mpd",
    "ffconcat": "ffconcat",
    "sdp": "sdp",
    "svg": "svg",
    "smil": "smil",
    "quicktime": "mov",
}


@pytest.mark.parametrize("program", ["ffmpeg", "ffprobe"])
@pytest.mark.parametrize("name", POINTING_INPUTS)
def test_the_safe_arguments_alone_keep_a_pointing_file_from_opening_anything(
    name: str, program: str, nasties: Nasties, tools: Toolset, canaries: Canaries, tmp_path: Path
) -> None:
    as_video = nasties[name].path
    as_itself = tmp_path / f"pointing.{NATURAL_SUFFIXES.get(name.split('-')[0], 'txt')}"
    shutil.copy(as_video, as_itself)

    for path in (as_video, as_itself):
        command = [getattr(tools, program), *safe_input(path)]
        command += ["-f", "null", "-"] if program == "ffmpeg" else []
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=20, check=False)
        assert done.returncode != 0 or name.startswith("quicktime")  # its headers are its own
    assert canaries.opened == []


@pytest.mark.parametrize(
    ("name", "unsafe"),
    [
        ("hls-to-a-host", ["-protocol_whitelist", "file,http,tcp,crypto", "-allowed_extensions", "ALL", "-f", "hls"]),
        ("dash-to-a-file", ["-protocol_whitelist", "file"]),
        ("ffconcat-to-a-file", ["-protocol_whitelist", "file", "-safe", "0"]),
        ("quicktime-reference-to-a-file", ["-enable_drefs", "1", "-use_absolute_path", "1"]),
    ],
)
def test_the_canaries_sing_without_the_safe_arguments(
    name: str, unsafe: list[str], tools: Toolset, tmp_path: Path
) -> None:
    with watched_canaries(tmp_path) as canaries:
        nasty = build_nasty_input(name, tmp_path, tools.ffmpeg, canaries)
        command = [tools.ffmpeg, "-v", "quiet", *unsafe, "-i", nasty.path, "-f", "null", "-"]
        subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=20, check=False)

    assert canaries.opened != []


def test_an_ordinary_file_is_described_in_full(tmp_path: Path, tools: Toolset) -> None:
    sound = ("-f", "lavfi", "-i", "sine=d=2:sample_rate=44100", "-c:a", "aac", "-metadata:s:a", "language=deu")
    path = make(tmp_path / "a.mp4", tools, *PICTURE, *sound, *X264, "-metadata", "title=A title")

    facts = probe(path, tools)

    assert facts.container.startswith("mov,mp4")
    assert facts.duration_seconds == pytest.approx(2.0)
    assert facts.start_seconds == 0.0
    assert facts.size_bytes == path.stat().st_size
    assert facts.tags["title"] == "A title"
    assert facts.video.model_dump(exclude={"stream_index"}) == {
        "codec": "h264",
        "width": 160,
        "height": 90,
        "coded_width": 160,
        "coded_height": 90,
        "frame_rate": "25",
        "is_variable_rate": False,
        "packet_count": 50,
        "rotation_degrees": 0,
        "pixel_format": "yuv420p",
        "bit_depth": 8,
        "is_hdr": False,
        "is_interlaced": False,
        "has_square_pixels": True,
        "color_matrix": None,
    }
    assert facts.audio is not None
    assert (facts.audio.codec, facts.audio.channels, facts.audio.sample_rate_hz) == ("aac", 1, 44100)
    assert facts.audio.language == "deu"


def test_a_turned_picture_is_described_upright(nasties: Nasties) -> None:
    video = nasties.facts("rotated").video

    assert (video.width, video.height, video.rotation_degrees) == (180, 320, 270)
    assert (video.coded_width, video.coded_height) == (320, 180)


def test_wide_pixels_are_described_as_square_ones(nasties: Nasties) -> None:
    video = nasties.facts("anamorphic").video

    assert (video.width, video.height, video.has_square_pixels) == (349, 180, False)


def test_an_odd_size_stays_odd(nasties: Nasties) -> None:
    video = nasties.facts("odd-size-4:4:4").video

    assert (video.width, video.height, video.pixel_format) == (641, 271, "yuv444p")


@pytest.mark.parametrize("name", ["hdr10", "hlg"])
def test_high_dynamic_range_is_seen(name: str, nasties: Nasties) -> None:
    video = nasties.facts(name).video

    assert (video.is_hdr, video.bit_depth) == (True, 10)


def test_interlaced_pictures_are_seen(nasties: Nasties) -> None:
    assert nasties.facts("interlaced").video.is_interlaced


def test_a_variable_rate_is_seen_and_gets_a_sane_number(nasties: Nasties) -> None:
    video = nasties.facts("variable-rate").video

    assert (video.is_variable_rate, video.frame_rate) == (True, Fraction(25))


def test_one_frame_lasts_one_frame(nasties: Nasties) -> None:
    facts = nasties.facts("one-frame")

    assert facts.video.packet_count == 1
    assert facts.duration_seconds == pytest.approx(0.04)


def test_a_day_is_a_day(nasties: Nasties) -> None:
    assert nasties.facts("24-hours-of-64x64").duration_seconds == pytest.approx(86400)


def test_surround_and_missing_sound_are_told_apart(nasties: Nasties) -> None:
    surround, mute = nasties.facts("5.1").audio, nasties.facts("no-sound").audio

    assert surround is not None
    assert surround.channels == 6
    assert mute is None


def test_tags_come_out_clean_and_short(nasties: Nasties) -> None:
    title = nasties.facts("unclean-tags").tags["title"]

    assert title.startswith("caf\ufffd [31mred x")
    assert len(title) <= 500
    assert title.isprintable()


def test_the_default_sound_is_chosen(tmp_path: Path, tools: Toolset) -> None:
    two = ("-f", "lavfi", "-i", "sine=d=2", "-map", "0", "-map", "1", "-map", "1", "-ac:a:1", "2", "-c:a", "aac")
    path = make(
        tmp_path / "two.mkv", tools, *PICTURE, *two, *X264, "-disposition:a:0", "0", "-disposition:a:1", "default"
    )

    audio = probe(path, tools).audio

    assert audio is not None
    assert (audio.stream_index, audio.channels) == (2, 2)


def test_cover_art_is_not_the_picture(tmp_path: Path, tools: Toolset) -> None:
    cover = make(tmp_path / "cover.jpg", tools, *PICTURE, "-frames:v", "1")
    arguments = (
        "-i",
        str(cover),
        *PICTURE,
        "-map",
        "0",
        "-map",
        "1",
        "-c:v:0",
        "copy",
        "-disposition:v:0",
        "attached_pic",
    )
    path = make(tmp_path / "both.mp4", tools, *arguments, "-c:v:1", "libx264", "-preset", "ultrafast")

    video = probe(path, tools).video

    assert (video.codec, video.packet_count) == ("h264", 50)


@pytest.mark.parametrize("suffix", ["mkv", "webm", "avi", "mov", "ts", "mpg", "flv", "wmv", "mxf", "ogv", "h264"])
def test_every_container_that_is_taken_gives_rate_duration_and_count(
    suffix: str, tmp_path: Path, tools: Toolset
) -> None:
    codec = {"webm": "libvpx", "ogv": "libtheora", "h264": "libx264", "mkv": "libx264", "mov": "libx264"}.get(suffix)
    arguments = ("-c:v", codec) if codec else ()
    path = make(tmp_path / f"a.{suffix}", tools, *PICTURE, *arguments, "-pix_fmt", "yuv420p", "-bf", "0")

    facts = probe(path, tools)

    assert facts.video.frame_rate == 25
    assert facts.video.packet_count == 50
    assert facts.duration_seconds == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("suffix", ["webm", "flv", "wmv", "mxf", "mov"])
def test_more_containers_that_are_cut_are_refused_as_truncated(suffix: str, tmp_path: Path, tools: Toolset) -> None:
    codec = ("-c:v", "libvpx") if suffix == "webm" else ()
    whole = make(tmp_path / f"a.{suffix}", tools, *PICTURE, *codec).read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(whole[: len(whole) * 2 // 3])

    with pytest.raises(TruncatedInputError):
        probe(cut, tools)


def test_a_live_recording_without_a_stated_duration_is_whole(tmp_path: Path, tools: Toolset) -> None:
    path = tmp_path / "live.mkv"
    command = [tools.ffmpeg, "-v", "error", *PICTURE, *X264, "-f", "matroska", "-"]
    path.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)

    assert probe(path, tools).duration_seconds == pytest.approx(2.0)


def test_a_fragmented_mp4_is_whole(tmp_path: Path, tools: Toolset) -> None:
    fragments = ("-g", "25", "-movflags", "frag_keyframe+empty_moov+default_base_moof")

    facts = probe(make(tmp_path / "f.mp4", tools, *PICTURE, *X264, *fragments), tools)

    assert facts.duration_seconds == pytest.approx(2.0)
    assert facts.video.packet_count == 50


def test_a_sound_longer_than_the_picture_does_not_stretch_it(tmp_path: Path, tools: Toolset) -> None:
    sound = ("-f", "lavfi", "-i", "sine=d=6", "-c:a", "aac")

    facts = probe(make(tmp_path / "long.mkv", tools, *PICTURE, *sound, *X264), tools)

    assert facts.duration_seconds == pytest.approx(2.0)


def test_more_pixels_than_allowed_are_refused(nasties: Nasties, tools: Toolset) -> None:
    with pytest.raises(InputTooLargeError) as caught:
        probe(nasties["no-sound"].path, tools, max_pixels=320 * 180 - 1)

    assert caught.value.facts["width"] == 320


def test_a_file_that_is_not_there_is_not_found(tools: Toolset, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError):
        probe(tmp_path / "nothing.mp4", tools)


def test_a_fifo_is_never_opened(tools: Toolset, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.mp4"
    os.mkfifo(fifo)

    with pytest.raises(SourceNotFoundError):
        probe(fifo, tools)


@pytest.mark.parametrize("size", [1, 7, 8, 16, 64, 1000, 100_000])
def test_any_beginning_of_a_video_ends_in_a_typed_refusal(
    size: int, nasties: Nasties, tools: Toolset, tmp_path: Path
) -> None:
    whole = nasties["matroska-as-mp4"].path.read_bytes()
    part = tmp_path / "part.mp4"
    part.write_bytes(whole[: min(size, len(whole) // 2)])

    with pytest.raises((NotMediaError, TruncatedInputError, CorruptInputError)):
        probe(part, tools)


def test_an_ffprobe_that_hangs_is_ended(nasties: Nasties, tools: Toolset, tmp_path: Path) -> None:
    hung = tmp_path / "ffprobe"
    hung.write_text(f"#!{shutil.which('sh')}\nexec sleep 600\n")
    hung.chmod(0o755)

    with pytest.raises(EncoderStalledError):
        probe(
            nasties["no-sound"].path,
            Toolset(tools.ffmpeg, hung, tools.packager, "", "", ""),
            limits=Limits(stall_seconds=0.7),
        )


@pytest.mark.parametrize("name", ["sound.wav", "sound.mp3", "sound.ogg", "sound.m4a", "sound.flac"])
def test_what_is_heard_of_a_sound_file_is_found(name: str, tools: Toolset, tmp_path: Path) -> None:
    command = [tools.ffmpeg, "-v", "error", "-f", "lavfi", "-i", "sine=f=440:d=0.2:r=44100", tmp_path / name]
    subprocess.run(command, check=True)

    found = probe_sound(tmp_path / name, tools)

    assert (found.channels, found.sample_rate_hz) == (1, 44_100)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", NotMediaError),
        (b"It was the best of times, it was the worst of times.\n" * 100, NotMediaError),
        (b"#EXTM3U\n/etc/passwd\n", UnsupportedInputError),
        (b"fLaC" + bytes(500), CorruptInputError),
    ],
)
def test_what_is_no_sound_is_refused(content: bytes, error: type[DataError], tools: Toolset, tmp_path: Path) -> None:
    (tmp_path / "sound.wav").write_bytes(content)

    with pytest.raises(error):
        probe_sound(tmp_path / "sound.wav", tools)
