"""What kind of file a manifest is, told by its content; and a first pass over text, so that a refusal comes early."""

import codecs
import re
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from data.domain.errors import (
    ManifestCorruptError,
    ManifestEmptyError,
    ManifestEncodingError,
    ManifestError,
    ManifestFormatError,
)

MAX_LINE_BYTES = 8 * 1024 * 1024
"""Longest line: one row is in memory at a time, and no row is this long."""
_BLOCK_BYTES = 1024 * 1024
_HEAD_BYTES = 4096


class ManifestFormat(StrEnum):
    """The formats of manifests."""

    CSV = "CSV"
    JSONL = "JSONL"
    PARQUET = "Parquet"


_BY_SUFFIX = {
    ".csv": ManifestFormat.CSV,
    ".tsv": ManifestFormat.CSV,
    ".jsonl": ManifestFormat.JSONL,
    ".ndjson": ManifestFormat.JSONL,
    ".parquet": ManifestFormat.PARQUET,
    ".pq": ManifestFormat.PARQUET,
}
_SAVE_AS = "save it as CSV (in Excel: Save As → CSV UTF-8), JSONL or Parquet"
_FOREIGN = {
    b"PK\x03\x04": f"is an Excel workbook (or another zip file): {_SAVE_AS}",
    b"\xd0\xcf\x11\xe0": f"is an old Excel workbook: {_SAVE_AS}",
    b"\x1f\x8b": "is compressed with gzip: unpack it first",
    b"BZh": "is compressed with bzip2: unpack it first",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd: unpack it first",
    b"\xfd7zXZ": "is compressed with xz: unpack it first",
    b"%PDF": f"is a PDF: {_SAVE_AS}",
    b"ARROW1": "is an Arrow (Feather) file: save it as Parquet",
}
_OTHER_ENCODINGS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def detect_format(path: Path, name: str = "") -> ManifestFormat:
    """Return the format of a manifest.

    Args:
        path: The file.
        name: What it was called when it was handed in, if not as the file: its suffix must not say otherwise.

    Raises:
        ManifestError: It is empty, of another kind, not what its name says, or no clean UTF-8; says what to do.
    """
    name = name or path.name
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        found = _told_by(head, name)
        _refuse_mislabelled(found, name)
        if found is ManifestFormat.PARQUET:
            _refuse_cut(file, name)
        else:
            file.seek(0)
            _refuse_bad_text(file, name)
    return found


def _told_by(head: bytes, name: str) -> ManifestFormat:
    if head.startswith(b"PAR1"):
        return ManifestFormat.PARQUET
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise ManifestFormatError(f"{name} {what}.")
    if head.startswith(_OTHER_ENCODINGS):
        raise ManifestEncodingError(f"{name} is UTF-16 or UTF-32 text: save it as UTF-8.")
    if b"\0" in head:
        raise ManifestFormatError(f"{name} is a binary file, no manifest: {_SAVE_AS}.")
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if not text:
        raise ManifestEmptyError(f"{name} is empty: a manifest has a header and at least one row.")
    if text.startswith(b"["):
        raise ManifestFormatError(
            f"{name} is a JSON array: write one object a line instead (jq -c '.[]' array.json > manifest.jsonl)."
        )
    if text[:15].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise ManifestFormatError(f"{name} is a web page or XML, no manifest: was it a download that failed?")
    return ManifestFormat.JSONL if text.startswith(b"{") else ManifestFormat.CSV


def _refuse_mislabelled(found: ManifestFormat, name: str) -> None:
    said = _BY_SUFFIX.get(Path(name).suffix.lower())
    if said is not None and said is not found:
        raise ManifestFormatError(f"{name} is called {said} but holds {found}: give it the right suffix.")


def _refuse_cut(file: BinaryIO, name: str) -> None:
    """A Parquet file ends as it begins; a partial copy does not."""
    file.seek(-4, 2)
    if file.read() != b"PAR1":
        raise ManifestCorruptError(f"{name} breaks off before its end: hand in the whole Parquet file.")


def _refuse_bad_text(file: BinaryIO, name: str) -> None:
    """Read the text once, a block at a time: a fault in row 900,000 must not show after 899,999 rows were taken."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, line_bytes, block = 1, 0, b""
    try:
        while block := file.read(_BLOCK_BYTES):
            if b"\0" in block:
                line += block[: block.index(b"\0")].count(b"\n")
                raise ManifestFormatError(f"{name} has a NUL byte in line {line}: it is no text, or damaged.")
            decoder.decode(block)
            longest, line_bytes = _line_lengths(block, line_bytes)
            if longest > MAX_LINE_BYTES:
                raise _too_long(name)
            line += block.count(b"\n")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        line += block[: error.start].count(b"\n")
        raise ManifestEncodingError(
            f"{name} is not UTF-8 (line {line}): save it as UTF-8; in Excel, Save As → CSV UTF-8.", {"line": line}
        ) from error


def _line_lengths(block: bytes, before: int) -> tuple[int, int]:
    """Return the longest line that a block goes on with or ends, and the bytes of the one that it leaves open."""
    ends = re.split(rb"[\r\n]", block)
    lengths = [before + len(ends[0]), *map(len, ends[1:])]
    return max(lengths), lengths[-1]


def _too_long(name: str) -> ManifestError:
    mebibytes = MAX_LINE_BYTES // 1024**2
    return ManifestCorruptError(f"{name} has a line of more than {mebibytes} MiB: it is no manifest, or damaged.")
