"""What is no manifest is refused at once, and told what to do."""

import gzip
import zipfile
from pathlib import Path

import pytest

from data.domain.errors import (
    ManifestCorruptError,
    ManifestEmptyError,
    ManifestEncodingError,
    ManifestError,
    ManifestFormatError,
)
from data.manifests.formats import ManifestFormat, detect_format
from tests.fakes.manifests import write_manifest

ROWS = [{"source": "/srv/a.mp4"}]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_the_content_tells_the_format_whatever_the_file_is_called(tmp_path: Path, kind: str) -> None:
    path = write_manifest(tmp_path, ROWS, kind)

    assert detect_format(path).value.lower() == kind
    assert detect_format(path.rename(tmp_path / "0f8c2d")).value.lower() == kind


def test_a_mislabelled_file_says_so(tmp_path: Path) -> None:
    path = write_manifest(tmp_path, ROWS, "parquet").rename(tmp_path / "tonight.csv")

    with pytest.raises(ManifestFormatError, match="called CSV but holds Parquet"):
        detect_format(path)
    with pytest.raises(ManifestFormatError, match="called JSONL but holds CSV"):
        detect_format(write_manifest(tmp_path, ROWS), name="tonight.jsonl")


@pytest.mark.parametrize(
    ("content", "error", "advice"),
    [
        (b"", ManifestEmptyError, "empty"),
        (b"\xef\xbb\xbf \r\n", ManifestEmptyError, "empty"),
        (b"\xd0\xcf\x11\xe0old excel", ManifestFormatError, "CSV UTF-8"),
        (gzip.compress(b"source\n/srv/a.mp4\n", mtime=0), ManifestFormatError, "unpack"),
        (b"source\n\x00\x01\x02", ManifestFormatError, "binary"),
        (b"source\n" + b"/srv/a.mp4\n" * 1000 + b"\0", ManifestFormatError, "NUL byte in line 1002"),
        ("source\n/srv/ü.mp4\n".encode("utf-16"), ManifestEncodingError, "UTF-8"),
        (b"source\n/srv/a.mp4\n/srv/\xfc.mp4\n", ManifestEncodingError, "line 3"),
        (b'[{"source": "/srv/a.mp4"}]', ManifestFormatError, "jq"),
        (b"<!DOCTYPE html><html>", ManifestFormatError, "web page"),
        (b"source\n" + b"x" * (9 * 1024 * 1024), ManifestCorruptError, "MiB"),
        (b"PAR1 and then nothing", ManifestCorruptError, "breaks off"),
    ],
)
def test_what_is_no_manifest_is_told_what_to_do(
    tmp_path: Path, content: bytes, error: type[ManifestError], advice: str
) -> None:
    (tmp_path / "manifest").write_bytes(content)

    with pytest.raises(error) as caught:
        detect_format(tmp_path / "manifest")
    assert advice in caught.value.message
    assert not caught.value.retryable


def test_a_workbook_is_told_apart_from_other_binaries(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "tonight.xlsx", "w") as workbook:
        workbook.writestr("xl/workbook.xml", "<workbook/>")

    with pytest.raises(ManifestFormatError, match="Excel workbook"):
        detect_format(tmp_path / "tonight.xlsx")


def test_a_fault_far_down_is_found_before_the_first_row_is_taken(tmp_path: Path) -> None:
    (tmp_path / "long.csv").write_bytes(b"source\n" + b"/srv/a.mp4\n" * 200_000 + b"/srv/\xff.mp4\n")

    with pytest.raises(ManifestEncodingError, match="line 200002"):
        detect_format(tmp_path / "long.csv")


def test_a_letter_that_lies_across_two_blocks_is_no_fault(tmp_path: Path) -> None:
    head = b"source\n"
    (tmp_path / "long.csv").write_bytes(head + b"\n" * (1024 * 1024 - len(head) - 1) + "ü\n".encode())

    assert detect_format(tmp_path / "long.csv") is ManifestFormat.CSV
