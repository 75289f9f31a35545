import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from data.domain.assets import SourceFacts
from data.domain.publications import GateReport, Package
from data.domain.recipes import GateOptions
from tasks.media.checks import check_candidate
from tasks.media.packaging import progressive_arguments
from tasks.media.playlists import CaptionRendition, caption_playlist, dash_with_captions, with_captions
from tasks.media.process import Limits, run_ffmpeg, run_tool
from tasks.media.tools import find_tools
from tests.fakes.clips import clip
from tests.fakes.packages import make_package

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

    def replace_picture(self, filters: str) -> Package:
        """Encode the pictures anew through filters and package them as if nothing had happened."""
        tools = find_tools()
        work = self.scratch / "work"
        shutil.copytree(self.work, work)
        for name in ("rung-360p.mp4", "rung-144p.mp4"):
            run_ffmpeg(
                [*("-i", str(self.work / name), "-vf", filters), *X264, str(work / name)],
                tools=tools,
                log_path=self.scratch / "log",
            )
        return self._packaged(work)

    def replace_sound(self, filters: str) -> Package:
        """Encode the sound anew through filters and package it as if nothing had happened."""
        work = self.scratch / "work"
        shutil.copytree(self.work, work)
        run_ffmpeg(
            ["-i", str(self.work / "sound.mp4"), "-af", filters, "-c:a", "aac", str(work / "sound.mp4")],
            tools=find_tools(),
            log_path=self.scratch / "log",
        )
        return self._packaged(work)

    def _packaged(self, work: Path) -> Package:
        tools = find_tools()
        shutil.rmtree(work / "tracks")
        videos = [
            f"in=rung-{name}.mp4,stream=video,output=tracks/{name}.mp4,playlist_name={name}.m3u8"
            for name in ("360p", "144p")
        ]
        sound = "in=sound.mp4,stream=audio,output=tracks/audio.mp4,playlist_name=audio.m3u8,hls_group_id=audio"
        playlists = ("--hls_master_playlist_output", "tracks/master.m3u8", "--mpd_output", "tracks/manifest.mpd")
        run_tool(
            [tools.packager, *videos, sound, "--segment_duration", "2", "--hls_playlist_type", "VOD", *playlists],
            log_path=self.scratch / "log",
            cwd=work,
        )
        shutil.copytree(work / "tracks", self.directory, dirs_exist_ok=True)
        parts = [work / "rung-360p.mp4", work / "sound.mp4"]
        mp4 = self.directory / self.package.mp4_path
        run_ffmpeg(progressive_arguments(parts, mp4), tools=tools, log_path=self.scratch / "log")
        return self.package


@pytest.fixture
def candidate(made: Made, tmp_path: Path) -> Candidate:
    return Candidate(made, tmp_path)


def test_a_good_candidate_passes_every_check(candidate: Candidate) -> None:
    report = candidate.check()

    assert {check.name: check.outcome for check in report.checks} == dict.fromkeys(
        ["files", "hls", "dash", "images", "decode", "rungs", "mp4", "duration", "black", "silence", "loudness"],
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
    "name",
    ["master.m3u8", "manifest.mpd", "144p.m3u8", "144p.mp4", "audio.mp4", "video.mp4", "poster.jpg", "thumbnails.vtt"],
)
def test_a_missing_file_is_refused_by_name(candidate: Candidate, name: str) -> None:
    (candidate.directory / name).unlink()

    assert [(check.name, name in check.detail) for check in candidate.check().refusals] == [("files", True)]


def test_an_empty_file_counts_as_missing(candidate: Candidate) -> None:
    (candidate.directory / "audio.mp4").write_bytes(b"")

    assert candidate.refusals() == {"files"}


@pytest.mark.parametrize("name", ["360p.mp4", "144p.mp4", "audio.mp4"])
def test_a_truncated_track_is_refused(candidate: Candidate, name: str) -> None:
    path = candidate.directory / name
    path.write_bytes(path.read_bytes()[:-2000])

    report = candidate.check()

    assert {check.name for check in report.refusals} == {"hls"}
    assert name in report.refusals[0].detail


@pytest.mark.parametrize(("name", "check"), [("144p.mp4", "decode"), ("360p.mp4", "rungs"), ("video.mp4", "mp4")])
def test_damage_that_keeps_the_size_is_refused(candidate: Candidate, name: str, check: str) -> None:
    path = candidate.directory / name
    data = bytearray(path.read_bytes())
    data[-30_000:-2_000] = bytes(28_000)
    path.write_bytes(data)

    assert check in candidate.refusals()


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
    "address", ["../secret.mp4", "/etc/hostname", "https://example.org/360p.mp4", "file:///360p.mp4"]
)
def test_a_playlist_may_not_point_outside_the_candidate(candidate: Candidate, address: str) -> None:
    (candidate.directory.parent / "secret.mp4").write_bytes(b"secret")
    candidate.rewrite("360p.m3u8", lambda text: text.replace("360p.mp4", address))
    candidate.rewrite("manifest.mpd", lambda text: text.replace("360p.mp4", address))

    assert candidate.refusals() == {"hls", "dash"}


def test_a_link_that_leads_outside_is_refused(candidate: Candidate) -> None:
    outside = candidate.directory.parent / "outside.mp4"
    shutil.move(candidate.directory / "360p.mp4", outside)
    (candidate.directory / "360p.mp4").symlink_to(outside)

    assert candidate.refusals() == {"files"}


def test_sound_that_the_master_playlist_does_not_name_is_refused(candidate: Candidate) -> None:
    candidate.rewrite(
        "master.m3u8",
        lambda text: "\n".join(line for line in text.splitlines() if "TYPE=AUDIO" not in line),
    )

    assert candidate.refusals() == {"hls"}


def test_swapped_rungs_are_refused(candidate: Candidate) -> None:
    for suffix in ("mp4", "m3u8"):
        shutil.copy(candidate.directory / f"144p.{suffix}", candidate.scratch / f"low.{suffix}")
        shutil.move(candidate.directory / f"360p.{suffix}", candidate.directory / f"144p.{suffix}")
        shutil.move(candidate.scratch / f"low.{suffix}", candidate.directory / f"360p.{suffix}")
    for name, other in (("360p", "144p"), ("144p", "360p")):
        candidate.rewrite(f"{name}.m3u8", lambda text, name=name, other=other: text.replace(other, name))

    assert "rungs" in candidate.refusals()


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
    candidate.replace_picture("drawbox=t=fill:color=black")
    black = candidate.package.measures.model_copy(update={"black_share": 1.0})

    report = candidate.check(candidate.package.model_copy(update={"measures": black}))

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

    assert "hls" in candidate.refusals(package)


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

    report = candidate.check()

    assert [(check.name, "index" in check.detail) for check in report.refusals] == [("mp4", True)]


def test_a_progressive_file_without_its_sound_is_refused(candidate: Candidate) -> None:
    mp4 = candidate.directory / "video.mp4"
    run_ffmpeg(
        progressive_arguments([candidate.work / "rung-360p.mp4"], mp4),
        tools=find_tools(),
        log_path=candidate.scratch / "log",
        limits=Limits(),
    )

    assert candidate.refusals() == {"mp4"}


def test_captions_that_are_no_webvtt_are_refused(candidate: Candidate) -> None:
    candidate.add_captions()
    (candidate.directory / "captions-en.vtt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")

    assert candidate.refusals() == {"hls"}


def test_captions_whose_file_is_missing_are_refused(candidate: Candidate) -> None:
    candidate.add_captions()
    (candidate.directory / "captions-en.vtt").unlink()

    assert candidate.refusals() == {"hls", "dash"}
