from pathlib import Path

import pytest

from data.domain.recipes import Recipe
from tasks.media.arguments import WorkFiles
from tasks.media.packaging import join_segments, packager_arguments, progressive_arguments, progressive_rung
from tasks.media.plan import EncodePlan, plan_encode
from tests.fakes.source_facts import source_facts

WORK = WorkFiles(Path("/a,b=c/scratch"))


def plan_for(width: int, height: int) -> EncodePlan:
    rungs = [
        {"name": f"{side}p", "short_side": side, "max_kbps": 1000}
        for side in (2160, 1440, 1080, 720, 360)
        if side <= height
    ]
    recipe = Recipe.parse({"video": {"ladder": {"rungs": rungs}}})
    return plan_encode(source_facts(width, height), recipe)


def test_the_packager_is_given_relative_names_only() -> None:
    arguments = packager_arguments(WORK, plan_for(1280, 720), has_audio=True)

    assert not any("/a,b=c" in argument for argument in arguments)
    assert arguments[0] == (
        "in=rung-720p.mp4,stream=video,init_segment=tracks/720p/init.mp4,"
        "segment_template=tracks/720p/$Number%05d$.m4s,playlist_name=720p.m3u8"
    )


def test_without_sound_the_packager_is_told_of_none() -> None:
    arguments = packager_arguments(WORK, plan_for(1280, 720), has_audio=False)

    assert not any("audio" in argument for argument in arguments)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [(slice(None), b"i123"), (slice(1), b"i1"), (slice(-2, None), b"i23"), (slice(-9, None), b"i123")],
)
def test_joined_segments_begin_with_the_initialisation(tmp_path: Path, parts: slice, expected: bytes) -> None:
    names = ["init.mp4", "00001.m4s", "00002.m4s", "00003.m4s"]
    (tmp_path / "720p").mkdir()
    for name, content in zip(names, (b"i", b"1", b"2", b"3"), strict=True):
        (tmp_path / "720p" / name).write_bytes(content)
    lines = [f"#EXTINF:2,\n720p/{name}\n" for name in names[1:]]
    playlist = f'#EXTM3U\n#EXT-X-MAP:URI="720p/init.mp4"\n{"".join(lines)}#EXT-X-ENDLIST\n'
    (tmp_path / "720p.m3u8").write_text(playlist)

    joined = join_segments(tmp_path, "720p.m3u8", tmp_path / "joined.mp4", parts)

    assert joined.read_bytes() == expected


@pytest.mark.parametrize(("height", "expected"), [(2160, "1080p"), (1080, "1080p"), (720, "720p")])
def test_the_progressive_file_carries_at_most_1080_lines(height: int, expected: str) -> None:
    plan = plan_for(height * 16 // 9, height)

    assert progressive_rung(plan).spec.name == expected


def test_the_progressive_file_is_a_copy_with_its_index_in_front() -> None:
    arguments = progressive_arguments([Path("/v.mp4"), Path("/a.mp4")], Path("/out/video.mp4"))

    assert arguments[arguments.index("-c") + 1] == "copy"
    assert arguments[arguments.index("-movflags") + 1] == "+faststart"
    assert [arguments[index + 1] for index, value in enumerate(arguments) if value == "-map"] == ["0", "1"]
