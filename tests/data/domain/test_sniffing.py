from pathlib import Path

import pytest

from data.domain.sniffing import Kind, is_cut_short, sniff


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", Kind.EMPTY),
        (b"plain words", Kind.UNKNOWN),
        (b"#EXTM3U\n", Kind.PLAYLIST),
        ("#EXTM3U\n".encode("utf-16"), Kind.PLAYLIST),
        (b"\xef\xbb\xbf\n\n#EXTM3U\n", Kind.PLAYLIST),
        (b"<?xml version='1.0'?>\n<!-- x -->\n<MPD xmlns='urn'>", Kind.PLAYLIST),
        (b"<dash:MPD >", Kind.PLAYLIST),
        (b"<svg xmlns='x'>", Kind.PICTURE),
        (b"<?xml version='1.0'?><!DOCTYPE svg><svg>", Kind.PICTURE),
        (b"<html><body>no</body></html>", Kind.UNKNOWN),
        (b"\x89PNG\r\n\x1a\n", Kind.PICTURE),
        (b"RIFF\0\0\0\0WEBPVP8 ", Kind.PICTURE),
        (b"RIFF\0\0\0\0AVI LIST", Kind.MEDIA),
        (b"\0\0\0\x20ftypheic", Kind.PICTURE),
        (b"\0\0\0\x20ftypisom", Kind.MEDIA),
        (b"\x1a\x45\xdf\xa3\x01", Kind.MEDIA),
        ((b"G" + bytes(187)) * 5, Kind.MEDIA),
        (b"GGGG", Kind.UNKNOWN),
        (b".RMF\0", Kind.OTHER_MEDIA),
    ],
)
def test_a_kind_is_told_by_content(content: bytes, kind: Kind, tmp_path: Path) -> None:
    assert sniff(written(tmp_path / "any.mp4", content)).kind is kind


@pytest.mark.parametrize(
    ("content", "is_cut"),
    [
        (b"\0\0\0\x08ftyp\0\0\0\x08moov\0\0\0\x0cmdatabcd", False),
        (b"\0\0\0\x08ftyp\0\0\0\x08moov\0\0\0\xffmdatabcd", True),
        (b"\0\0\0\x08ftyp\0\0\0\x0cmdatabcd", True),
        (b"\0\0\0\x08ftyp\0\0\0\x08moov\0\0\0\0mdatabcd", False),  # 0: to the end of the file
        (b"\0\0\0\x08ftyp\0\0\0\x08moov\0\0\0\x01mdat\0\0\0\0\0\0\0\xff", True),  # 1: a 64-bit size
        (b"\0\0\0\x08ftyp\0\0\0\x08moov\0\0\0\x08mdat\0\0\0\x02junk", False),
    ],
)
def test_an_mp4_is_cut_when_a_box_runs_past_the_end_or_the_index_is_missing(
    content: bytes, is_cut: bool, tmp_path: Path
) -> None:
    assert is_cut_short(written(tmp_path / "any.mp4", content), "mov") is is_cut


@pytest.mark.parametrize(
    ("content", "is_cut"),
    [
        (b"\x1a\x45\xdf\xa3\x82ab\x18\x53\x80\x67\x84abcd", False),
        (b"\x1a\x45\xdf\xa3\x82ab\x18\x53\x80\x67\x88abcd", True),
        (b"\x1a\x45\xdf\xa3\x82ab\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xffabcd", False),  # live: unknown
        (b"\x1a\x45\xdf\xa3", False),
    ],
)
def test_a_matroska_file_is_cut_when_its_segment_runs_past_the_end(
    content: bytes, is_cut: bool, tmp_path: Path
) -> None:
    assert is_cut_short(written(tmp_path / "any.mkv", content), "matroska") is is_cut
