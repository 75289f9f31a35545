"""HTTP's rules for serving an immutable file (RFC 9110: ranges, validators). Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

CACHE_IMMUTABLE = "public, max-age=31536000, immutable"
"""A version's files never change: a new publication has new addresses."""
CACHE_NOTHING = "private, no-store"
"""What is not public leaves no trace on the way to who may see it."""

_RANGE = re.compile(r"(\d*)-(\d*)")
_MAX_RANGE_DIGITS = 19


@dataclass(frozen=True)
class ServedPart:
    """What to answer for a file: the status, its headers, and which bytes (``None``: none) follow."""

    status: int
    headers: dict[str, str]
    start: int = 0
    end_exclusive: int | None = None


def served_part(
    request: Mapping[str, str], *, etag: str, size_bytes: int, content_type: str, cache_control: str = CACHE_IMMUTABLE
) -> ServedPart:
    """Decide what part of a file a request gets.

    One byte range is served as 206. Several ranges get the whole file, which RFC 9110 §14.2 leaves to the server: no
    player asks for them, and answering them is a known way to make servers work hard.

    Args:
        request: The request's headers, looked up without regard to case.
        etag: Strong validator of the file, with its quotes.
        size_bytes: Length of the whole file.
        content_type: Media type of the file.
        cache_control: What others may keep of it.
    """
    common = {"ETag": etag, "Cache-Control": cache_control, "Accept-Ranges": "bytes"}
    if _names(request.get("If-None-Match"), etag, weak=True):
        return ServedPart(304, common, end_exclusive=0)
    if request.get("If-Match") and not _names(request.get("If-Match"), etag, weak=False):
        return ServedPart(412, {"Cache-Control": "no-store"}, end_exclusive=0)
    headers = {**common, "Content-Type": content_type}
    whole = ServedPart(200, {**headers, "Content-Length": str(size_bytes)}, 0, size_bytes)
    if "Range" not in request or not _is_same(request.get("If-Range"), etag):
        return whole
    span = byte_range(request["Range"], size_bytes)
    if span is None:
        return whole
    start, end = span
    if start >= end:
        return ServedPart(416, {"Content-Range": f"bytes */{size_bytes}", "Cache-Control": "no-store"}, end_exclusive=0)
    partial = {"Content-Range": f"bytes {start}-{end - 1}/{size_bytes}", "Content-Length": str(end - start)}
    return ServedPart(206, {**headers, **partial}, start, end)


def byte_range(header: str, size_bytes: int) -> tuple[int, int] | None:
    """Read a ``Range`` header.

    Returns:
        (start, end exclusive); an empty span when it cannot be satisfied; ``None`` when it is to be ignored: another
        unit, several ranges, or not a range at all.
    """
    unit, _, text = header.partition("=")
    match = _RANGE.fullmatch(text.strip())
    if unit.strip().lower() != "bytes" or match is None:
        return None
    first, last = match.groups()
    if not (first or last) or max(len(first), len(last)) > _MAX_RANGE_DIGITS:
        return None
    if not first:
        return max(0, size_bytes - int(last)), size_bytes if int(last) else 0
    if last and int(last) < int(first):
        return None
    start = int(first)
    end = min(int(last) + 1, size_bytes) if last else size_bytes
    return (start, end) if start < size_bytes else (size_bytes, size_bytes)


def _names(header: str | None, etag: str, *, weak: bool) -> bool:
    """Say whether a list of validators has this one; ``weak`` comparison forgives a ``W/`` in front."""
    if not header:
        return False
    listed = [each.strip() for each in header.split(",")]
    return "*" in listed or etag in [each.removeprefix("W/") if weak else each for each in listed]


def _is_same(if_range: str | None, etag: str) -> bool:
    """``If-Range`` needs the exact strong validator; a date is not one we give, so it never matches."""
    return if_range is None or if_range.strip() == etag
