import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.domain.assets import Asset, SourceFacts
from data.domain.errors import CorruptInputError, TruncatedInputError
from data.domain.publications import AudioRendition, Package, Rendition
from data.domain.recipes import Recipe
from tasks.media.boxes import MediaSegment, read_segments
from tasks.media.checks import check_candidate
from tasks.media.edits.inputs import Input
from tasks.media.frames import Picture
from tasks.media.inspection import Inspector, Track, has_index_in_front, jpeg_size
from tasks.media.measures import read_log
from tasks.media.packaging import join_segments
from tasks.media.playlists import media_playlist
from tasks.media.probe import probe
from tasks.media.probe import probe_sound as sound_facts
from tasks.media.process import Limits, Progress, run_ffmpeg
from tasks.media.tools import find_tools
from tasks.media.transcode import transcode
from tests.fakes.clips import clip
from tests.fakes.file_server import served
from tests.fakes.packages import SMALL, make_package

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")

Make = Callable[..., Path]
Made = tuple[Package, SourceFacts, Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a maker of clips: ffmpeg's arguments, then a name."""

    def run(*arguments: str | Path, name: str = "clip.mp4") -> Path:
        target = tmp_path / name
        command = [find_tools().ffmpeg, "-v", "error", "-nostdin", "-y", *arguments, target]
        subprocess.run(command, check=True, timeout=60)
        return target

    return run


@pytest.fixture(scope="module")
def bunny(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Big Buck Bunny, 5 s of 720p25 with 5.1 sound, as a package of two rungs."""
    return make_package(clip("bigbuckbunny"), tmp_path_factory.mktemp("bunny"))


def tracks(media: Path) -> dict[str, Track]:
    return Inspector(find_tools(), media.parent.parent, Limits()).tracks(media)


def joined(directory: Path, track: Rendition | AudioRendition) -> dict[str, Track]:
    """Return what ffprobe counts in the segments of a track, put one behind the other."""
    return tracks(join_segments(directory, track.playlist_path, directory.parent / "scratch" / "joined.mp4"))


def segments(directory: Path, track: Rendition | AudioRendition) -> tuple[MediaSegment, ...]:
    initialisation, *parts = media_playlist((directory / track.playlist_path).read_text()).paths
    return read_segments(directory / initialisation, [directory / part for part in parts])


def frame_at(media: Path, at_seconds: float) -> Picture:
    video = cv2.VideoCapture(str(media))
    video.set(cv2.CAP_PROP_POS_FRAMES, round(at_seconds * video.get(cv2.CAP_PROP_FPS)))
    found, frame = video.read()
    assert found
    return np.asarray(frame, dtype=np.uint8)


def test_every_rung_has_every_frame_at_its_own_size(bunny: Made) -> None:
    package, _, directory = bunny

    assert [(item.name, item.width, item.height) for item in package.renditions] == [
        ("360p", 640, 360),
        ("144p", 256, 144),
    ]
    for rendition in package.renditions:
        picture = joined(directory, rendition)["video"]
        assert (picture.width, picture.height) == (rendition.width, rendition.height)
        assert picture.packets == rendition.frame_count == 132


def test_segments_of_all_rungs_begin_with_the_same_frame(bunny: Made) -> None:
    package, _, directory = bunny

    for rendition in package.renditions:
        playlist = media_playlist((directory / rendition.playlist_path).read_text())
        assert [part.seconds for part in playlist.segments] == [2.0, 2.0, 1.28]
        found = segments(directory, rendition)
        assert [(part.start_seconds, part.samples) for part in found] == [(0, 50), (2, 50), (4, 32)]
        assert all(part.begins_with_keyframe for part in found)


def test_what_the_indexes_say_is_what_ffprobe_counts(bunny: Made) -> None:
    package, _, directory = bunny
    assert package.audio is not None

    for kind, track in (("video", package.renditions[0]), ("audio", package.audio)):
        found = segments(directory, track)
        assert sum(part.samples for part in found) == joined(directory, track)[kind].packets
        assert float(sum(part.lasts_seconds for part in found)) == pytest.approx(5.28, abs=0.03)


def test_each_track_has_a_folder_of_its_own_that_its_playlist_names_whole(bunny: Made) -> None:
    package, _, directory = bunny
    assert package.audio is not None

    for track in (*package.renditions, package.audio):
        names = ("init.mp4", "00001.m4s", "00002.m4s", "00003.m4s")
        paths = [f"{track.media_prefix}{name}" for name in names]
        assert list(media_playlist((directory / track.playlist_path).read_text()).paths) == paths
        assert [path for path in package.files if path.startswith(track.media_prefix)] == sorted(paths)


@pytest.mark.parametrize("name", ["master.m3u8", "manifest.mpd"])
def test_every_frame_and_all_sound_arrive_over_http(bunny: Made, tmp_path: Path, name: str) -> None:
    # ffmpeg 9.0 ends after the first segment where a playlist names parts of one file.
    package, _, directory = bunny
    assert package.audio is not None
    with served(directory) as address:
        run_ffmpeg(
            ["-loglevel", "verbose", "-i", f"{address}/{name}", "-map", "0", "-f", "null", "-"],
            tools=find_tools(),
            log_path=tmp_path / "log",
        )

    decoded = read_log(tmp_path / "log").decoded
    assert (decoded["video"].frames, decoded["video"].errors) == (132 * len(package.renditions), 0)
    # HLS offers the one sound with every variant, but both are one stream.
    assert (decoded["audio"].packets, decoded["audio"].errors) == (joined(directory, package.audio)["audio"].packets, 0)


def test_a_rendition_tells_what_its_files_really_are(bunny: Made) -> None:
    package, _, directory = bunny

    for rendition in package.renditions:
        size = sum(path.stat().st_size for path in (directory / rendition.media_prefix).iterdir())
        assert rendition.size_bytes == size
        assert rendition.average_kbps == round(size * 8 / 5.28 / 1000)
        assert re.fullmatch(r"avc1\.[0-9a-f]{6}", rendition.codec)
        assert rendition.frame_rate == "25"


def test_surround_sound_becomes_stereo_as_long_as_the_picture(bunny: Made) -> None:
    package, facts, directory = bunny

    assert facts.audio is not None
    assert facts.audio.channels == 6
    assert package.audio is not None
    assert (package.audio.channels, package.audio.sample_rate_hz, package.audio.codec) == (2, 48_000, "mp4a.40.2")
    assert joined(directory, package.audio)["audio"].duration_seconds == pytest.approx(5.28, abs=0.05)


def test_the_progressive_file_holds_picture_and_sound_with_its_index_in_front(bunny: Made) -> None:
    package, _, directory = bunny

    mp4 = directory / package.mp4_path
    assert set(tracks(mp4)) == {"video", "audio"}
    assert tracks(mp4)["video"].packets == 132
    assert has_index_in_front(mp4)


def test_every_file_of_the_package_is_listed_with_its_size(bunny: Made) -> None:
    package, _, directory = bunny

    found = {path.relative_to(directory).as_posix(): path.stat().st_size for path in directory.rglob("*.*")}
    assert package.files == found
    assert {"master.m3u8", "manifest.mpd", "video.mp4", "poster.jpg", "sprite.jpg", "thumbnails.vtt"} <= set(found)


def test_candidates_are_the_best_frames_and_the_poster_is_the_first_of_them(bunny: Made) -> None:
    package, _, directory = bunny

    candidates = package.poster_candidates
    assert 1 <= len(candidates) <= 12
    assert [item.score for item in candidates] == sorted((item.score for item in candidates), reverse=True)
    assert all(item.at_seconds > 0 for item in candidates)
    assert package.poster_at_seconds == candidates[0].at_seconds
    assert jpeg_size(directory / package.poster_path) == (640, 360)


def test_poster_and_candidate_show_the_same_frame_in_the_same_colours(bunny: Made) -> None:
    package, _, directory = bunny

    poster = cv2.imread(str(directory / package.poster_path))
    candidate = cv2.imread(str(directory / package.poster_candidates[0].path))
    assert poster is not None
    assert candidate is not None
    assert cv2.PSNR(poster, candidate) > 28


@pytest.mark.parametrize(
    ("size", "told", "meant"),
    [
        ("320x240", "smpte170m", "bt601"),
        ("320x240", "bt709", "bt709"),
        ("1280x720", "bt709", "bt709"),
        ("320x240", None, "bt601"),
        ("1280x720", None, "bt709"),
    ],
)
def test_colours_stay_what_they_were(make: Make, tmp_path: Path, size: str, told: str | None, meant: str) -> None:
    orange = (
        f"color=0xE08030:s={size}:r=25:d=0.4,format=gbrp,scale=out_color_matrix={meant}:out_range=tv,format=yuv420p"
    )
    label = f",setparams=colorspace={told or 'unknown'}"
    source = make("-f", "lavfi", "-i", orange + label, *X264)

    _, facts, directory = make_package(source, tmp_path / "out")

    assert facts.video.color_matrix == told
    for image in ("poster.jpg", "sprite.jpg"):
        picture = cv2.imread(str(directory / image))
        assert picture is not None
        assert np.mean(picture[:80, :100], axis=(0, 1)) == pytest.approx([0x30, 0x80, 0xE0], abs=6)


def test_each_tile_of_the_sprite_shows_its_time(bunny: Made) -> None:
    package, _, directory = bunny

    sprite = cv2.imread(str(directory / package.sprite.image_path))
    assert sprite is not None
    assert (package.sprite.count, package.sprite.interval_seconds) == (6, 1.0)
    for index in range(package.sprite.count):
        tile = sprite[:90, index * 160 : (index + 1) * 160]
        shown = cv2.resize(
            frame_at(directory / package.mp4_path, float(index)), (160, 90), interpolation=cv2.INTER_AREA
        )
        assert cv2.PSNR(np.ascontiguousarray(tile), shown) > 22


def test_the_one_decode_measures_the_source(bunny: Made) -> None:
    package, _, _ = bunny

    assert package.measures.decoded_frames == 132
    assert package.measures.black_share == 0
    assert package.measures.silence_share == 0
    assert package.measures.loudness_lufs == pytest.approx(-34, abs=1)


def test_black_and_silence_of_the_source_are_measured(make: Make, tmp_path: Path) -> None:
    picture = "color=black:s=160x90:r=25:d=1[a];testsrc2=s=160x90:r=25:d=1[b];[a][b]concat"
    sound = "sine=d=1[c];anullsrc=r=44100:cl=mono:d=1[d];[c][d]concat=v=0:a=1"
    source = make("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, *X264, "-t", "2")

    package, _, _ = make_package(source, tmp_path / "out")

    assert package.measures.black_share == pytest.approx(0.5, abs=0.05)
    assert package.measures.silence_share == pytest.approx(0.5, abs=0.06)


def test_a_source_without_sound_has_none_anywhere(tmp_path: Path) -> None:
    package, _, directory = make_package(clip("bikes"), tmp_path)

    assert package.audio is None
    assert not (directory / "audio").exists()
    assert "AUDIO" not in (directory / package.master_path).read_text()
    assert set(tracks(directory / package.mp4_path)) == {"video"}


def test_one_frame_makes_a_whole_package(make: Make, tmp_path: Path) -> None:
    source = make("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=0.04", *X264)

    package, _, directory = make_package(source, tmp_path / "out")

    assert package.renditions[0].frame_count == 1
    assert [part.samples for part in segments(directory, package.renditions[0])] == [1]
    assert package.sprite.count == len(package.poster_candidates) == 1
    assert jpeg_size(directory / package.poster_path) == (320, 180)


@pytest.mark.parametrize(
    ("picture", "codec", "expected"),
    [
        ("testsrc2=s=64x48:r=25:d=1", X264, (64, 48)),
        ("color=red:s=2x2:r=25:d=1", ("-c:v", "ffv1"), (2, 2)),
        ("testsrc2=s=641x271:r=25:d=1,format=yuv444p", ("-c:v", "libx264", "-preset", "ultrafast"), (640, 270)),
        ("testsrc2=s=320x240:r=25:d=1,format=yuv420p10le", ("-c:v", "libx264", "-preset", "ultrafast"), (320, 240)),
        ("testsrc2=s=180x180:r=25:d=1,setsar=2", X264, (360, 180)),
        ("testsrc2=s=320x240:r=25:d=1,format=gbrp", ("-c:v", "ffv1"), (320, 240)),
    ],
)
def test_unusual_pictures_are_ordinary(
    make: Make, tmp_path: Path, picture: str, codec: tuple[str, ...], expected: tuple[int, int]
) -> None:
    package, _, directory = make_package(make("-f", "lavfi", "-i", picture, *codec, name="x.mkv"), tmp_path / "out")

    top = package.renditions[0]
    assert (top.width, top.height) == expected
    assert joined(directory, top)["video"].packets == 25


def test_a_turned_picture_stands_upright(make: Make, tmp_path: Path) -> None:
    plain = make("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=1", *X264, name="plain.mp4")
    turned = make("-display_rotation", "90", "-i", plain, "-c", "copy", name="turned.mp4")

    package, _, _ = make_package(turned, tmp_path / "out")

    assert (package.renditions[0].width, package.renditions[0].height) == (180, 320)


def test_a_truly_variable_rate_becomes_constant_without_drift(tmp_path: Path) -> None:
    package, facts, directory = make_package(clip("face_noface"), tmp_path)

    assert facts.video.is_variable_rate
    assert package.duration_seconds == pytest.approx(facts.duration_seconds, abs=0.05)
    assert joined(directory, package.renditions[0])["video"].packets == package.renditions[0].frame_count


def flash_and_beep(make: Make) -> Path:
    """Three seconds of 25 frames/s: at 2.0 s one white frame, and a beep."""
    picture = "color=black:s=160x90:r=25:d=3,drawbox=t=fill:color=white:enable='eq(n,50)'"
    sound = "aevalsrc='if(between(t,2,2.04),sin(2*PI*1000*t),0)':s=48000:d=3"
    return make("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, *X264, "-c:a", "pcm_s16le", name="sync.mkv")


def flash_time(mp4: Path) -> float:
    video = cv2.VideoCapture(str(mp4))
    brightness = []
    while (read := video.read())[0]:
        brightness.append(float(np.mean(read[1])))
    return int(np.argmax(brightness)) / video.get(cv2.CAP_PROP_FPS)


def beep_time(mp4: Path) -> float:
    command = [find_tools().ffmpeg, "-v", "error", "-i", mp4, "-map", "0:a", "-ac", "1", "-f", "s16le", "-"]
    samples = np.frombuffer(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout, dtype=np.int16)
    return float(np.argmax(np.abs(samples.astype(np.int32)) > 3000)) / 48_000


@pytest.mark.parametrize(
    ("arguments", "name", "expected"),
    [
        ((), "together.mkv", 2.0),
        (("-ss", "0.5"), "cut.mkv", 1.5),
        (("late picture",), "late-picture.mkv", 2.0),
        (("late sound",), "late-sound.mkv", 2.0),
        (("-output_ts_offset", "100"), "far-from-zero.ts", 2.0),
    ],
)
def test_picture_and_sound_stay_together(
    make: Make, tmp_path: Path, arguments: tuple[str, ...], name: str, expected: float
) -> None:
    plain = flash_and_beep(make)
    kept = (*X264, "-c:a", "aac")
    delays = {"late picture": ("0.6", "0"), "late sound": ("0", "0.6")}
    if arguments and arguments[0] in delays:
        # Both shifted alike in content: what was seen and heard at 2.0 s stays together in the file.
        picture, sound = delays[arguments[0]]
        graph = f"[0:v]trim=start={picture}[v];[0:a]atrim=start={sound}[a]"
        source = make("-i", plain, "-filter_complex", graph, "-map", "[v]", "-map", "[a]", *kept, name=name)
        expected -= float(picture)
    elif arguments[:1] == ("-ss",):
        source = make(*arguments, "-i", plain, *kept, name=name)
    else:
        source = make("-i", plain, *kept, *arguments, name=name)

    package, _, directory = make_package(source, tmp_path / "out")

    seen, heard = flash_time(directory / package.mp4_path), beep_time(directory / package.mp4_path)
    assert seen == pytest.approx(expected, abs=0.05)
    assert heard == pytest.approx(seen, abs=0.05)


@pytest.mark.parametrize(("sound_seconds", "picture_seconds"), [(0.7, 2), (4, 2)])
def test_sound_is_made_as_long_as_the_picture(
    make: Make, tmp_path: Path, sound_seconds: float, picture_seconds: float
) -> None:
    picture = ("-f", "lavfi", "-i", f"testsrc2=s=160x90:r=25:d={picture_seconds}")
    sound = ("-f", "lavfi", "-i", f"sine=d={sound_seconds}")

    package, _, directory = make_package(make(*picture, *sound, *X264), tmp_path / "out")

    assert package.duration_seconds == picture_seconds
    assert package.audio is not None
    assert joined(directory, package.audio)["audio"].duration_seconds == pytest.approx(picture_seconds, abs=0.05)


def test_a_high_frame_rate_is_halved(make: Make, tmp_path: Path) -> None:
    package, _, _ = make_package(make("-f", "lavfi", "-i", "testsrc2=s=160x90:r=120:d=1", *X264), tmp_path / "out")

    assert package.renditions[0].frame_rate == "60"
    assert package.renditions[0].frame_count == 60


def test_hdr_becomes_ordinary_and_stays_visible(make: Make, tmp_path: Path) -> None:
    hdr = "zscale=tin=bt709:min=bt709:pin=bt709:rin=tv:t=smpte2084:p=bt2020:m=bt2020nc:npl=200,format=yuv420p10le"
    told = "log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
    source = make(
        *("-t", "1", "-i", clip("bigbuckbunny"), "-an", "-vf", f"scale=640:360,{hdr}"),
        *("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", told),
    )

    package, facts, directory = make_package(source, tmp_path / "out")

    assert facts.video.is_hdr
    before = cv2.resize(frame_at(clip("bigbuckbunny"), 0.4), (640, 360))
    after = frame_at(directory / package.mp4_path, 0.4)
    assert np.mean(after) == pytest.approx(np.mean(before), abs=40)
    assert np.corrcoef(before[..., 1].ravel(), after[..., 1].ravel())[0, 1] > 0.9


def test_pictures_that_change_size_midway_are_scaled_alike(make: Make, tmp_path: Path) -> None:
    parts = [
        make("-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d=1", *X264, "-output_ts_offset", start, name=f"{size}.ts")
        for size, start in (("320x180", "0"), ("160x90", "1"))
    ]
    source = tmp_path / "joined.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))

    package, _, directory = make_package(source, tmp_path / "out")

    assert package.duration_seconds == pytest.approx(2, abs=0.1)
    late = frame_at(directory / package.mp4_path, 1.5)
    assert late.shape == (180, 320, 3)
    assert np.std(late) > 20


def test_a_source_whose_end_is_missing_is_truncated(make: Make, tmp_path: Path) -> None:
    whole = make("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=4", *X264, "-movflags", "+faststart")
    _, facts, _ = make_package(whole, tmp_path / "whole")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])

    with pytest.raises(TruncatedInputError):
        make_package(cut, tmp_path / "out", facts=facts)


def test_a_source_full_of_damage_is_corrupt_and_says_how_much(make: Make, tmp_path: Path) -> None:
    source = make("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=4", *X264)
    data = bytearray(source.read_bytes())
    start, end = len(data) // 4, len(data) * 3 // 4
    data[start:end] = np.random.default_rng(1).bytes(end - start)
    source.write_bytes(data)

    with pytest.raises(CorruptInputError) as caught:
        make_package(source, tmp_path / "out")

    assert caught.value.facts["decoded_frames"] != 100


def test_a_source_that_is_no_video_is_corrupt(bunny: Made, tmp_path: Path) -> None:
    _, facts, _ = bunny
    source = tmp_path / "noise.mp4"
    source.write_bytes(np.random.default_rng(1).bytes(100_000))

    with pytest.raises(CorruptInputError):
        make_package(source, tmp_path / "out", facts=facts)


def test_hostile_names_are_only_names(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "a,b=c 'd'"
    folder.mkdir()
    plain = make("-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=1", *X264)
    source = plain.rename(folder / "-i %03d [0:v];$(touch x).mp4")

    package, _, _ = make_package(source, folder / "out")

    assert package.renditions[0].frame_count == 25


def test_the_same_work_gives_the_same_package_but_for_rate_control(bunny: Made, tmp_path: Path) -> None:
    package, facts, directory = bunny

    again, _, other = make_package(clip("bigbuckbunny"), tmp_path, SMALL, facts)

    # x264 under a bitrate cap spends bits by what its threads have finished: frames are the same, their sizes are not.
    assert again.sprite == package.sprite
    assert again.poster_candidates == package.poster_candidates
    assert again.measures == package.measures
    for name in ("audio/init.mp4", "audio/00001.m4s", "audio/00003.m4s", "sprite.jpg", "candidates/01.jpg"):
        assert (other / name).read_bytes() == (directory / name).read_bytes()


def test_progress_is_handed_on_and_only_the_encode_holds_a_slot(make: Make, tmp_path: Path) -> None:
    source = make("-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=1", *X264)
    tools = find_tools()
    asset = Asset(id="a", sha256="a", source_key="a", original_name="a", facts=probe(source, tools))
    reports: list[Progress] = []
    left: set[str] = set()
    (tmp_path / "d").mkdir()
    (tmp_path / "s").mkdir()

    @contextmanager
    def encode_slot() -> Iterator[int]:
        assert not list((tmp_path / "s").iterdir())
        yield 1
        left.update(path.name for path in (tmp_path / "s").iterdir())
        assert not list((tmp_path / "d").iterdir())

    package = transcode(
        source,
        asset,
        Recipe(),
        key="k",
        prefix="p/",
        directory=tmp_path / "d",
        scratch=tmp_path / "s",
        tools=tools,
        encode_slot=encode_slot,
        limits=Limits(),
        on_progress=reports.append,
    )

    assert reports[-1].share == pytest.approx(1, abs=0.05)
    assert reports[-1].frame_count >= 25
    assert "rung-90p.mp4" in left
    assert package.tools.encoder_threads == 1


@pytest.mark.parametrize(("kind", "codec"), [("m4a", "aac"), ("mp3", "mp3"), ("opus", "opus")])
def test_the_sound_alone_is_a_file_that_lasts_as_long_as_the_picture(
    make: Make, tmp_path: Path, kind: str, codec: str
) -> None:
    sound = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=2", "-shortest")
    source = make("-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=2", *sound, *X264, "-c:a", "aac")
    package, facts, directory = make_package(source, tmp_path / "made", SMALL.with_overrides({"audio.rendition": kind}))

    assert package.audio_path == f"audio.{kind}"
    found = probe_sound(directory / package.audio_path)
    assert found[0] == codec
    assert found[1] == pytest.approx(package.duration_seconds, abs=0.08)
    gate = check_candidate(
        directory, package, facts, SMALL.gate, tools=find_tools(), scratch=tmp_path / "made" / "scratch"
    )
    assert ("audio", "passed") in {(check.name, check.outcome) for check in gate.checks}
    (directory / package.audio_path).write_bytes(b"no sound")
    short = package.model_copy(update={"files": {**package.files, package.audio_path: 8}})
    gate = check_candidate(
        directory, short, facts, SMALL.gate, tools=find_tools(), scratch=tmp_path / "made" / "scratch"
    )
    assert [check.name for check in gate.refusals] == ["audio"]


def test_the_m4a_is_the_very_sound_of_the_renditions(make: Make, tmp_path: Path) -> None:
    sound = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=1", "-shortest")
    source = make("-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=1", *sound, *X264, "-c:a", "aac")
    package, _, directory = make_package(source, tmp_path / "made", SMALL.with_overrides({"audio.rendition": "m4a"}))

    assert package.audio_path is not None
    assert sound_hash(directory / package.audio_path) == sound_hash(directory / package.mp4_path)


def test_another_sound_is_told_in_its_own_language(make: Make, tmp_path: Path) -> None:
    tones = [("-f", "lavfi", "-i", f"sine={hertz}:d=1") for hertz in (440, 880)]
    pictures = ("-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=1")
    source = make(*pictures, *tones[0], *X264, "-metadata:s:a:0", "language=fra")
    other = make(*tones[1], "-metadata:s:a:0", "language=eng", name="other.mka")
    recipe = Recipe.parse({**SMALL.model_dump(), "edit": {"sound": {"mode": "replace", "source": "other"}}})
    sound = Input(other, "sound", "b" * 64, sound=sound_facts(other, find_tools()))

    package, facts, directory = make_package(source, tmp_path / "made", recipe, inputs={"other": sound})

    assert facts.audio is not None
    assert package.audio is not None
    assert (facts.audio.language, package.audio.language) == ("fra", "eng")
    assert 'LANGUAGE="en"' in (directory / package.master_path).read_text()


def test_a_source_without_sound_has_no_file_of_it(make: Make, tmp_path: Path) -> None:
    source = make("-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=1", *X264)
    package, _, _ = make_package(source, tmp_path / "made", SMALL.with_overrides({"audio.rendition": "mp3"}))

    assert package.audio_path is None


def probe_sound(path: Path) -> tuple[str, float]:
    """Return codec and duration (seconds) of a file of sound."""
    command = [find_tools().ffprobe, "-v", "error", "-show_entries", "stream=codec_name:format=duration", "-of", "csv"]
    stream, form = subprocess.run([*command, path], check=True, capture_output=True, text=True).stdout.split()
    return stream.split(",")[1], float(form.split(",")[1])


def sound_hash(path: Path) -> bytes:
    command = [find_tools().ffmpeg, "-v", "error", "-i", path, "-map", "0:a", "-c", "copy", "-f", "hash", "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout
