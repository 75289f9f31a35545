from pathlib import Path

import pytest

from data.domain.errors import ToolMissingError
from tasks.media.tools import executable, find_tools, require


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH, but for the shell."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_without_anything_on_the_path_the_packaged_builds_are_found(on_path: Path) -> None:
    tools = find_tools()

    assert tools.ffmpeg_origin == "imageio-ffmpeg"
    assert int(tools.ffmpeg_version.split(".")[0]) >= 7
    assert tools.ffprobe.name.startswith("ffprobe")
    assert tools.packager_version[0].isdigit()


def test_a_program_is_asked_again_only_when_its_file_has_changed(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    packager = script(tmp_path / "packager", f"echo >> {asked}; echo packager version 1")
    versions = [find_tools(packager=packager).packager_version for _ in range(3)]

    script(packager, f"echo >> {asked}; echo packager version 22")
    versions.append(find_tools(packager=packager).packager_version)

    assert versions == ["1", "1", "1", "22"]
    assert len(asked.read_text()) == 2


def test_a_new_ffmpeg_on_the_path_comes_before_the_packaged_one(on_path: Path) -> None:
    packaged = find_tools()
    (on_path / "ffmpeg").symlink_to(packaged.ffmpeg)
    (on_path / "ffprobe").symlink_to(packaged.ffprobe)

    tools = find_tools()

    assert (tools.ffmpeg, tools.ffprobe) == (on_path / "ffmpeg", on_path / "ffprobe")
    assert tools.ffmpeg_origin == "PATH"


def test_an_old_ffmpeg_on_the_path_is_passed_over(on_path: Path) -> None:
    script(on_path / "ffmpeg", "echo 'ffmpeg version 5.1.9'; echo 'libavutil      57. 28.100'")

    assert find_tools().ffmpeg_origin == "imageio-ffmpeg"


def test_an_ffmpeg_on_the_path_without_what_we_need_is_passed_over(on_path: Path) -> None:
    script(on_path / "ffmpeg", "echo 'ffmpeg version 8.0'; echo 'libavutil      60. 8.100'; echo libx264 aac file fd")

    assert find_tools().ffmpeg_origin == "imageio-ffmpeg"


def test_a_set_ffmpeg_that_will_not_do_is_refused_with_what_it_lacks(tmp_path: Path) -> None:
    lean = script(
        tmp_path / "lean", "echo 'ffmpeg version 8.0'; echo 'libavutil      60. 8.100'; echo libx264 aac file fd"
    )

    with pytest.raises(ToolMissingError, match="DAILIES_MEDIA__FFMPEG") as caught:
        find_tools(ffmpeg=lean)

    assert "filter zscale" in caught.value.facts["lacks"]
    assert "encoder mjpeg" in caught.value.facts["lacks"]
    assert "encoder aac" not in caught.value.facts["lacks"]


@pytest.mark.parametrize("tool", ["ffmpeg", "ffprobe", "packager"])
def test_a_set_tool_that_is_not_there_is_refused(tool: str, tmp_path: Path) -> None:
    with pytest.raises(ToolMissingError, match="does not run"):
        find_tools(**{tool: tmp_path / "nowhere"})


def test_versions_tell_builds_and_origins_apart_and_record_the_threads() -> None:
    tools = find_tools()

    versions = tools.versions(4)

    assert tools.ffmpeg_version in versions.ffmpeg
    assert tools.ffmpeg_build in versions.ffmpeg
    assert versions.encoder_threads == 4


def test_a_packaged_program_without_its_executable_bit_gets_it(tmp_path: Path) -> None:
    program = script(tmp_path / "program", "exit 0")
    program.chmod(0o644)

    assert executable(program) == program
    assert program.stat().st_mode & 0o111


def test_what_only_some_recipes_need_is_asked_for_by_name() -> None:
    tools = find_tools()
    require(tools, encoders=["libx264", "libsvtav1"], filters=["libvmaf"])

    with pytest.raises(ToolMissingError, match="lacks encoder libnothing, filter nofilter, which the recipe needs"):
        require(tools, encoders=["libx264", "libnothing"], filters=["nofilter"])
