from pathlib import Path

import numpy as np
import pytest

from tasks.media.frames import write_jpeg
from tasks.media.inspection import Inspector, has_index_in_front, jpeg_size
from tasks.media.process import Limits
from tasks.media.tools import find_tools


def box(kind: bytes, content: bytes = b"", *, large: bool = False) -> bytes:
    if large:
        return (1).to_bytes(4, "big") + kind + (16 + len(content)).to_bytes(8, "big") + content
    return (8 + len(content)).to_bytes(4, "big") + kind + content


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([box(b"ftyp", b"isom"), box(b"moov"), box(b"mdat", b"x")], True),
        ([box(b"ftyp", b"isom"), box(b"free", b"\0" * 9), box(b"mdat", b"x"), box(b"moov")], False),
        ([box(b"free", b"\0" * 9, large=True), box(b"moov")], True),
        ([box(b"ftyp", b"isom")], False),
        ([b"\0\0\0\0free" + b"\0" * 20], False),
        ([b""], False),
    ],
)
def test_the_index_is_looked_for_in_front_of_the_media(tmp_path: Path, boxes: list[bytes], expected: bool) -> None:
    (tmp_path / "video.mp4").write_bytes(b"".join(boxes))

    assert has_index_in_front(tmp_path / "video.mp4") is expected


def test_only_a_whole_jpeg_has_a_size(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    write_jpeg(np.zeros((20, 30, 3), dtype=np.uint8), path)
    whole = path.read_bytes()

    assert jpeg_size(path) == (30, 20)
    for broken in (whole[:-2], whole[2:], b"", b"\xff\xd8\xff\xd9", b"\x89PNG\r\n"):
        path.write_bytes(broken)
        assert jpeg_size(path) is None


def test_a_file_that_no_tool_can_read_is_a_finding_not_an_error(tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_text("nothing here")
    inspector = Inspector(find_tools(), tmp_path, Limits())

    nothing = tmp_path / "no.mp4"
    assert inspector.tracks(nothing) == {}
    assert inspector.decode_ends(nothing, nothing, 5.0, 2.0) is None
    assert inspector.decode_variant(nothing, 0, has_audio=False) is None
