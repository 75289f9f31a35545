import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deployments.demo_checks import Comparison, decodes, measure
from tasks.media.tools import Toolset, find_tools

SECONDS = 2


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        return


@pytest.fixture(scope="module")
def tools() -> Toolset:
    return find_tools()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tools: Toolset) -> Path:
    made = tmp_path_factory.mktemp("published")
    source = ["-f", "lavfi", "-i", f"testsrc2=size=320x180:rate=24:duration={SECONDS}"]
    x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    hls = ["-hls_time", "1", "-g", "24", "-hls_segment_filename", str(made / "%d.ts"), str(made / "master.m3u8")]
    for output in ([*x264, "-crf", "12", str(made / "source.mp4")], [*x264, "-crf", "12", *hls]):
        subprocess.run([tools.ffmpeg, "-v", "error", *source, *output], check=True)
    return made


@pytest.fixture
def origin(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_whole_playlist_decodes(origin: str, tools: Toolset, tmp_path: Path) -> None:
    check = decodes(f"{origin}master.m3u8", SECONDS, tools, tmp_path / "log")

    assert check.passed, check.detail


def test_a_playlist_that_is_shorter_than_it_says_fails(origin: str, tools: Toolset, tmp_path: Path) -> None:
    assert not decodes(f"{origin}master.m3u8", SECONDS * 2, tools, tmp_path / "log").passed


def test_a_playlist_with_a_broken_segment_fails(origin: str, folder: Path, tools: Toolset, tmp_path: Path) -> None:
    (folder / "broken.m3u8").write_text((folder / "master.m3u8").read_text("utf-8").replace("1.ts", "gone.ts"), "utf-8")

    assert not decodes(f"{origin}broken.m3u8", SECONDS, tools, tmp_path / "log").passed


def test_a_playlist_that_is_not_there_fails(origin: str, tools: Toolset, tmp_path: Path) -> None:
    assert not decodes(f"{origin}nothing.m3u8", SECONDS, tools, tmp_path / "log").passed


def test_a_fine_encode_is_measured_as_very_close(origin: str, folder: Path, tools: Toolset, tmp_path: Path) -> None:
    publication = {"renditions": [{"width": 320, "height": 180}], "duration_seconds": SECONDS}
    comparison = Comparison.of(folder / "source.mp4", publication, origin)

    measured = measure(comparison, {"playlist_path": "master.m3u8"}, tools, tmp_path / "log")

    assert measured.get("vmaf", 0) > 95 or measured.get("ssim", 0) > 0.99


def test_what_cannot_be_measured_is_left_out(origin: str, folder: Path, tools: Toolset, tmp_path: Path) -> None:
    publication = {"renditions": [{"width": 320, "height": 180}], "duration_seconds": SECONDS}
    comparison = Comparison.of(folder / "source.mp4", publication, origin)

    assert measure(comparison, {"playlist_path": "nothing.mp4"}, tools, tmp_path / "log") == {}
