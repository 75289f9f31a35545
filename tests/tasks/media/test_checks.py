import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from data.domain.assets import SourceFacts
from data.domain.provenance import Action, ActionName, Agent, Part
from data.domain.publications import GateReport, Package
from data.domain.recipes import GateOptions
from tasks.media.arguments import WorkFiles
from tasks.media.checks import check_candidate
from tasks.media.content_credentials import Claim, ClaimedSource, sign
from tasks.media.local_certificate import local_identity
from tasks.media.packaging import progressive_arguments, write_progressive, write_tracks
from tasks.media.plan import plan_encode
from tasks.media.playlists import CaptionRendition, caption_playlist, dash_with_captions, with_captions
from tasks.media.process import Limits, run_ffmpeg
from tasks.media.tools import find_tools
from tests.fakes.clips import clip
from tests.fakes.packages import SMALL, make_package

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-sc_threshold", "0")

Made = tuple[Package, SourceFacts, Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Big Buck Bunny, 5 s with sound, as a package of two rungs; never changed."""
    return make_package(clip("bigbuckbunny"), tmp_path_factory.mktemp("made"))


class Candidate:
    """A copy of the package that a test may damage."""

    def __init__(self, made: Made, folder: Path) -> None:
        self.package, self.facts, original = made
        self.directory = folder / "candidate"
        self.scratch = folder / "scratch"
        self.work = original.parent / "scratch"
        shutil.copytree(original, self.directory)
        self.scratch.mkdir()

    def check(self, package: Package | None = None, **options: object) -> GateReport:
        return check_candidate(
            self.directory,
            package or self.package,
            self.facts,
            GateOptions.model_validate(options),
            tools=find_tools(),
            scratch=self.scratch,
        )

    def refusals(self, package: Package | None = None, **options: object) -> set[str]:
        return {check.name for check in self.check(package, **options).refusals}

    def rewrite(self, name: str, change: Callable[[str], str]) -> None:
        path = self.directory / name
        before = path.read_text()
        assert change(before) != before
        path.write_text(change(before))

    def add_captions(self) -> None:
        track = CaptionRendition("en", "English", "captions-en.m3u8", "captions-en.vtt")
        (self.directory / track.vtt_path).write_text("WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nHello\n")
        (self.directory / track.playlist_path).write_text(
            caption_playlist(track.vtt_path, self.package.duration_seconds)
        )
        self.rewrite("master.m3u8", lambda text: with_captions(text, [track]))
        self.rewrite("manifest.mpd", lambda text: dash_with_captions(text, [track]))

    def listed(self) -> Package:
        """Return the package as if transcode had left the files as they are now."""
        found = {path.relative_to(self.directory).as_posix(): path for path in self.directory.rglob("*.*")}
        sizes = {name: path.stat().st_size for name, path in found.items()}
        return self.package.model_copy(update={"files": sizes})

    def replace_picture(self, filters: str) -> Package:
        """Encode pictures anew through filters and package them as if nothing had happened."""
        work = self.work_copy()
        for name in ("rung-360p.mp4", "rung-144p.mp4"):
            run_ffmpeg(
                [*("-i", str(self.work / name), "-vf", filters), *X264, str(work / name)],
                tools=find_tools(),
                log_path=self.scratch / "log",
            )
        return self.packaged(work)

    def replace_sound(self, filters: str) -> Package:
        """Encode the sound anew through filters and package it as if nothing had happened."""
        work = self.work_copy()
        run_ffmpeg(
            ["-i", str(self.work / "sound.mp4"), "-af", filters, "-c:a", "aac", str(work / "sound.mp4")],
            tools=find_tools(),
            log_path=self.scratch / "log",
        )
        return self.packaged(work)

    def work_copy(self) -> Path:
        """Return a folder with the encoded parts, to be changed."""
        work = self.scratch / "work"
        work.mkdir()
        for name in ("rung-360p.mp4", "rung-144p.mp4", "sound.mp4"):
            shutil.copy(self.work / name, work)
        return work

    def packaged(self, work: Path) -> Package:
        """Package encoded parts as if nothing had happened."""
        tools, files, plan, limits = find_tools(), WorkFiles(work), plan_encode(self.facts, SMALL), Limits()
        for name in ("360p", "144p", "audio"):
            shutil.rmtree(self.directory / name)
        write_tracks(files, plan, self.directory, has_audio=True, language=None, tools=tools, limits=limits)
        mp4 = self.directory / self.package.mp4_path
        write_progressive(files, plan, mp4, has_audio=True, tools=tools, limits=limits)
        return self.listed()


@pytest.fixture
def candidate(made: Made, tmp_path: Path) -> Candidate:
    return Candidate(made, tmp_path)


def test_a_good_candidate_passes_every_check(candidate: Candidate) -> None:
    report = candidate.check()

    assert {check.name: check.outcome for check in report.checks} == dict.fromkeys(
        [
            "files",
            "hls",
            "dash",
            "segments",
            "images",
            "decode",
            "rungs",
            "mp4",
            "duration",
            "black",
            "silence",
            "loudness",
        ],
        "passed",
    )


def test_a_candidate_with_captions_passes(candidate: Candidate) -> None:
    candidate.add_captions()

    assert candidate.check().refusals == ()


def test_a_candidate_without_sound_passes_where_the_source_has_none(tmp_path: Path) -> None:
    candidate = Candidate(make_package(clip("bikes"), tmp_path / "made"), tmp_path)

    report = candidate.check()

    assert report.refusals == ()
    assert "silence" not in {check.name for check in report.checks}


@pytest.mark.parametrize(
    ("picture", "video"),
    [
        ("testsrc2=s=640x360:r=25:d=0.04", {}),
        ("testsrc2=s=640x360:r=25:d=0.08", {"preset": "veryfast"}),
        ("testsrc2=s=640x360:r=24:d=8.04", {"preset": "veryfast", "segment_seconds": 4}),
        ("testsrc2=s=640x360:r=1:d=5", {"preset": "veryfast"}),
    ],
    ids=["one frame", "two frames", "a last segment of one frame", "one frame a second"],
)
def test_candidates_of_every_length_and_rate_pass(tmp_path: Path, picture: str, video: dict[str, object]) -> None:
    source = tmp_path / "source.mkv"
    run_ffmpeg(
        ["-f", "lavfi", "-i", picture, "-c:v", "ffv1", str(source)], tools=find_tools(), log_path=tmp_path / "log"
    )
    recipe = SMALL.model_copy(update={"video": SMALL.video.model_copy(update=video)})

    candidate = Candidate(make_package(source, tmp_path / "made", recipe), tmp_path)

    assert len(candidate.package.renditions) == 2
    assert candidate.check().refusals == ()


def test_the_gate_leaves_the_candidate_as_it_is_and_no_media_behind(candidate: Candidate) -> None:
    candidate.check()

    assert candidate.listed().files == candidate.package.files
    assert {path.suffix for path in candidate.scratch.iterdir()} == {".log", ".json", ".txt"}


@pytest.mark.parametrize(
    "name",
    [
        *("master.m3u8", "manifest.mpd", "144p.m3u8", "video.mp4", "poster.jpg", "thumbnails.vtt", "candidates/01.jpg"),
        *("144p/init.mp4", "360p/00002.m4s", "audio/00003.m4s"),
    ],
)
def test_a_missing_file_is_refused_by_name(candidate: Candidate, name: str) -> None:
    (candidate.directory / name).unlink()

    assert [(check.name, name in check.detail) for check in candidate.check().refusals] == [("files", True)]


def test_an_empty_file_counts_as_missing(candidate: Candidate) -> None:
    (candidate.directory / "audio" / "00002.m4s").write_bytes(b"")

    assert candidate.refusals() == {"files"}


@pytest.mark.parametrize("name", ["360p/00003.m4s", "144p/00002.m4s", "audio/00001.m4s", "360p/init.mp4", "video.mp4"])
def test_a_file_that_was_cut_on_its_way_is_refused_by_name(candidate: Candidate, name: str) -> None:
    path = candidate.directory / name
    path.write_bytes(path.read_bytes()[:-200])

    assert [(check.name, name in check.detail) for check in candidate.check().refusals] == [("files", True)]


@pytest.mark.parametrize("name", ["360p/00003.m4s", "144p/00002.m4s", "audio/00001.m4s", "audio/init.mp4"])
def test_a_segment_that_was_never_whole_is_refused_by_name(candidate: Candidate, name: str) -> None:
    path = candidate.directory / name
    path.write_bytes(path.read_bytes()[:-200])

    report = candidate.check(candidate.listed())

    assert [(check.name, name in check.detail) for check in report.refusals] == [("segments", True)]


@pytest.mark.parametrize("name", ["360p", "144p", "audio"])
def test_a_segment_that_is_missing_in_the_middle_is_refused_where_everything_agrees(
    candidate: Candidate, name: str
) -> None:
    (candidate.directory / name / "00003.m4s").replace(candidate.directory / name / "00002.m4s")
    candidate.rewrite(f"{name}.m3u8", lambda text: re.sub(r"#EXTINF:1\.2\d+,\n.*/00003.m4s\n", "", text))
    candidate.rewrite(f"{name}.m3u8", lambda text: text.replace("#EXTINF:2.0", "#EXTINF:2.6"))
    candidate.rewrite("manifest.mpd", lambda text: dash_without_last(text, name))

    report = candidate.check(candidate.listed())

    assert [(check.name, "gap" in check.detail) for check in report.refusals] == [("segments", True)]


def dash_without_last(mpd: str, name: str) -> str:
    """Take the last segment out of a track's timeline."""
    before, found, after = mpd.partition(f'media="{name}/')
    return before + found + re.sub(r'\s*<S t="\d+" d="\d+"/>', "", after, count=1)


@pytest.mark.parametrize("name", ["360p", "audio"])
def test_a_segment_that_no_playlist_names_is_refused(candidate: Candidate, name: str) -> None:
    shutil.copy(candidate.directory / name / "00003.m4s", candidate.directory / name / "00004.m4s")

    report = candidate.check()

    assert [(check.name, "00004" in check.detail) for check in report.refusals] == [("hls", True)]


def test_segments_in_the_wrong_order_are_refused(candidate: Candidate) -> None:
    candidate.rewrite(
        "360p.m3u8",
        lambda text: text.replace("00001.m4s", "x").replace("00002.m4s", "00001.m4s").replace("/x", "/00002.m4s"),
    )

    assert candidate.refusals() == {"segments"}


def test_a_segment_that_is_played_twice_is_refused(candidate: Candidate) -> None:
    candidate.rewrite("360p.m3u8", lambda text: text.replace("00003.m4s", "00002.m4s"))

    report = candidate.check()

    assert [(check.name, "twice" in check.detail) for check in report.refusals] == [("hls", True)]


def test_a_track_that_is_played_from_another_folder_is_refused(candidate: Candidate) -> None:
    for name in ("360p.m3u8", "manifest.mpd"):
        candidate.rewrite(name, lambda text: text.replace("360p/", "144p/"))

    assert candidate.refusals() == {"hls"}


def test_a_playlist_of_parts_of_files_is_refused(candidate: Candidate) -> None:
    candidate.rewrite(
        "360p.m3u8", lambda text: text.replace("#EXTINF:1.280,", "#EXT-X-BYTERANGE:100@0\n#EXTINF:1.280,")
    )

    assert candidate.refusals() == {"hls"}


@pytest.mark.parametrize(
    ("before", "after", "refusal"),
    [
        ('<S t="51200" d="16384"/>', "", ("segments", "only HLS names 360p/00003.m4s")),
        ('<S t="51200" d="16384"/>', '<S t="51200" d="16384" r="1"/>', ("dash", "360p/00004.m4s is missing")),
        ('media="360p/$Number%05d$.m4s"', 'media="144p/$Number%05d$.m4s"', ("segments", "only HLS names 360p/00001")),
        ('startNumber="1"', 'startNumber="0"', ("dash", "360p/00000.m4s is missing")),
        ("<Period ", "<BaseURL>poster.jpg</BaseURL><Period ", ("segments", "only DASH names poster.jpg")),
    ],
)
def test_hls_and_dash_must_name_the_same_files(
    candidate: Candidate, before: str, after: str, refusal: tuple[str, str]
) -> None:
    candidate.rewrite("manifest.mpd", lambda text: text.replace(before, after, 1))

    check, *others = candidate.check().refusals
    assert (check.name, others) == (refusal[0], [])
    assert refusal[1] in check.detail


def test_captions_that_only_hls_offers_are_refused(candidate: Candidate) -> None:
    mpd = (candidate.directory / "manifest.mpd").read_text()
    candidate.add_captions()
    (candidate.directory / "manifest.mpd").write_text(mpd)

    assert candidate.refusals() == {"segments"}


def test_rungs_whose_segments_begin_apart_are_refused(candidate: Candidate) -> None:
    work = candidate.work_copy()
    apart = ["-g", "300", "-force_key_frames", "0,2.4,4"]
    run_ffmpeg(
        ["-i", str(candidate.work / "rung-144p.mp4"), *X264, *apart, str(work / "rung-144p.mp4")],
        tools=find_tools(),
        log_path=candidate.scratch / "log",
    )

    report = candidate.check(candidate.packaged(work))

    assert [(check.name, "together" in check.detail) for check in report.refusals] == [("segments", True)]


def test_a_segment_that_does_not_begin_with_a_keyframe_is_refused(candidate: Candidate) -> None:
    path = candidate.directory / "360p" / "00002.m4s"
    data = bytearray(path.read_bytes())
    flags = data.index(b"trun") + 4 + 12 + 4  # past the run's header and the first sample's size
    assert data[flags : flags + 4] == bytes(4)
    data[flags : flags + 4] = (0x10000).to_bytes(4, "big")
    path.write_bytes(data)

    report = candidate.check()

    assert [(check.name, "keyframe" in check.detail) for check in report.refusals] == [("segments", True)]


@pytest.mark.parametrize(
    ("name", "check"), [("144p/00002.m4s", "decode"), ("360p/00003.m4s", "rungs"), ("video.mp4", "mp4")]
)
def test_damage_that_keeps_the_size_is_refused(candidate: Candidate, name: str, check: str) -> None:
    path = candidate.directory / name
    data = bytearray(path.read_bytes())
    data[-20_000:-2_000] = bytes(18_000)
    path.write_bytes(data)

    assert check in candidate.refusals()


def test_a_progressive_mp4_that_is_not_one_of_the_rungs_is_refused(candidate: Candidate) -> None:
    mp4 = candidate.directory / candidate.package.mp4_path
    data = bytearray(mp4.read_bytes())
    data[len(data) // 2] ^= 0xFF
    mp4.write_bytes(data)

    assert candidate.refusals() == {"mp4"}


def test_a_damaged_index_of_a_segment_is_refused(candidate: Candidate) -> None:
    path = candidate.directory / "360p" / "00002.m4s"
    data = bytearray(path.read_bytes())
    data[data.index(b"trun") - 4 : data.index(b"trun")] = (2**31).to_bytes(4, "big")
    path.write_bytes(data)

    report = candidate.check()

    assert [(check.name, "360p/00002.m4s" in check.detail) for check in report.refusals] == [("segments", True)]


def test_a_playlist_that_names_nothing_is_refused(candidate: Candidate) -> None:
    (candidate.directory / "master.m3u8").write_text("#EXTM3U\n")

    assert candidate.refusals() == {"hls"}


def test_a_playlist_cut_short_is_refused(candidate: Candidate) -> None:
    candidate.rewrite("360p.m3u8", lambda text: text.replace("#EXT-X-ENDLIST", ""))

    assert candidate.refusals() == {"hls"}


def test_a_playlist_that_leaves_segments_out_is_refused(candidate: Candidate) -> None:
    candidate.rewrite("360p.m3u8", lambda text: text.replace("#EXTINF:2.000,", "#EXTINF:0.500,"))

    assert candidate.refusals() == {"hls"}


@pytest.mark.parametrize(
    "address", ["../secret.mp4", "360p/../../secret.mp4", "/etc/hostname", "https://example.org/1.m4s", "file:///1.m4s"]
)
def test_a_playlist_may_not_point_outside_the_candidate(candidate: Candidate, address: str) -> None:
    (candidate.directory.parent / "secret.mp4").write_bytes(b"secret")
    candidate.rewrite("360p.m3u8", lambda text: text.replace("360p/00002.m4s", address))
    candidate.rewrite("manifest.mpd", lambda text: text.replace("360p/init.mp4", address))

    assert candidate.refusals() == {"hls", "dash"}


@pytest.mark.parametrize("name", ["360p/00002.m4s", "360p"])
def test_a_link_that_leads_outside_is_refused(candidate: Candidate, name: str) -> None:
    outside = candidate.directory.parent / "outside"
    shutil.move(candidate.directory / name, outside)
    (candidate.directory / name).symlink_to(outside)

    assert candidate.refusals() == {"files"}


def test_sound_that_the_master_playlist_does_not_name_is_refused(candidate: Candidate) -> None:
    candidate.rewrite(
        "master.m3u8",
        lambda text: "\n".join(line for line in text.splitlines() if "TYPE=AUDIO" not in line),
    )

    assert candidate.refusals() == {"hls"}


def test_swapped_rungs_are_refused(candidate: Candidate) -> None:
    high, low, aside = (candidate.directory / name for name in ("360p", "144p", "aside"))
    high.rename(aside)
    low.rename(high)
    aside.rename(low)

    report = candidate.check(candidate.listed())

    assert [check.name for check in report.refusals] == ["rungs", "mp4"]
    assert "360p is 256x144" in report.refusals[0].detail
    assert "144p is 640x360" in report.refusals[0].detail


def test_a_dash_playlist_of_another_length_is_refused(candidate: Candidate) -> None:
    candidate.rewrite("manifest.mpd", lambda text: text.replace('Duration="PT5.28', 'Duration="PT9.28'))

    assert candidate.refusals() == {"dash"}


def test_a_dash_playlist_that_is_no_xml_is_refused(candidate: Candidate) -> None:
    candidate.rewrite("manifest.mpd", lambda text: text[: len(text) // 2])

    assert candidate.refusals() == {"dash"}


def test_a_poster_of_another_size_is_refused(candidate: Candidate) -> None:
    shutil.copy(candidate.directory / "sprite.jpg", candidate.directory / "poster.jpg")

    assert candidate.refusals() == {"images"}


@pytest.mark.parametrize("name", ["poster.jpg", "sprite.jpg"])
def test_half_a_picture_is_refused(candidate: Candidate, name: str) -> None:
    path = candidate.directory / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    assert candidate.refusals() == {"images"}


def test_a_black_candidate_of_a_picture_is_refused(candidate: Candidate) -> None:
    package = candidate.replace_picture("drawbox=t=fill:color=black")

    assert candidate.refusals(package) == {"black"}
    assert candidate.refusals(package, refuse_black=False) == set()


def test_a_black_candidate_of_a_black_source_is_only_warned_about(candidate: Candidate) -> None:
    package = candidate.replace_picture("drawbox=t=fill:color=black")
    black = package.measures.model_copy(update={"black_share": 1.0})

    report = candidate.check(package.model_copy(update={"measures": black}))

    assert report.refusals == ()
    assert [check.name for check in report.checks if check.outcome == "warned"] == ["black"]


def test_a_silent_candidate_of_a_sounding_source_is_refused(candidate: Candidate) -> None:
    package = candidate.replace_sound("volume=0")

    assert candidate.refusals(package) == {"silence"}
    assert candidate.refusals(package, refuse_silence=False) == set()


def test_a_candidate_that_is_much_louder_is_warned_about(candidate: Candidate) -> None:
    report = candidate.check(candidate.replace_sound("volume=12dB"))

    assert report.refusals == ()
    assert [check.name for check in report.checks if check.outcome == "warned"] == ["loudness"]


def test_sound_that_ends_early_is_refused(candidate: Candidate) -> None:
    package = candidate.replace_sound("atrim=end=3")

    assert candidate.refusals(package) == {"hls"}


def test_missing_frames_are_refused_even_where_every_file_agrees(candidate: Candidate) -> None:
    package = candidate.replace_picture("select='not(between(n,60,62))',setpts=N/25/TB")

    assert {"decode", "rungs", "mp4"} <= candidate.refusals(package)


def test_a_candidate_that_is_shorter_than_its_source_is_refused(candidate: Candidate) -> None:
    candidate.facts = candidate.facts.model_copy(update={"duration_seconds": 7.0})

    assert candidate.refusals() == {"duration"}
    assert candidate.refusals(max_duration_drift_seconds=3) == set()


def test_a_progressive_file_whose_index_comes_last_is_refused(candidate: Candidate) -> None:
    mp4 = candidate.directory / "video.mp4"
    copy = candidate.scratch / "copy.mp4"
    subprocess.run([find_tools().ffmpeg, "-v", "error", "-i", mp4, "-c", "copy", copy], check=True, timeout=60)
    shutil.move(copy, mp4)

    report = candidate.check(candidate.listed())

    assert [(check.name, "index" in check.detail) for check in report.refusals] == [("mp4", True)]


def test_a_progressive_file_without_its_sound_is_refused(candidate: Candidate) -> None:
    mp4 = candidate.directory / "video.mp4"
    run_ffmpeg(
        progressive_arguments([candidate.work / "rung-360p.mp4"], mp4),
        tools=find_tools(),
        log_path=candidate.scratch / "log",
    )

    assert candidate.refusals(candidate.listed()) == {"mp4"}


def test_captions_that_are_no_webvtt_are_refused(candidate: Candidate) -> None:
    candidate.add_captions()
    (candidate.directory / "captions-en.vtt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")

    assert candidate.refusals() == {"hls"}


def test_captions_whose_file_is_missing_are_refused(candidate: Candidate) -> None:
    candidate.add_captions()
    (candidate.directory / "captions-en.vtt").unlink()

    assert candidate.refusals() == {"hls", "dash"}


def test_captions_whose_playlist_is_missing_are_refused(candidate: Candidate) -> None:
    candidate.add_captions()
    (candidate.directory / "captions-en.m3u8").unlink()

    assert candidate.refusals() == {"hls"}


def test_a_signed_candidate_passes_as_it_will_be_published(candidate: Candidate) -> None:
    identity = local_identity(candidate.scratch / "credentials")
    agent, parts = Agent(name="Dailies"), (Part.PICTURE,)
    opened = Action(name=ActionName.OPENED, what="source", description="Taken in.", parts=parts, agent=agent)
    claim = Claim("Big Buck Bunny", agent, (opened,), ClaimedSource("Source", "ab"))
    for name in (candidate.package.mp4_path, candidate.package.poster_path):
        sign(candidate.directory / name, candidate.scratch / name, claim, identity)
        (candidate.scratch / name).replace(candidate.directory / name)

    assert candidate.refusals(candidate.listed()) == set()
    assert candidate.refusals() == {"files"}  # unannounced, another size is another file
