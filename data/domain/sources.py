"""Sources: the three ways to say what a job takes in."""

from pathlib import PurePosixPath
from urllib.parse import urlsplit

UPLOAD_SCHEME = "upload:"
"""Begins a source that was handed to the API before; the upload's id follows."""


def file_name(source: str) -> str:
    """Return the name of the file that a source points at.

    Empty where the source alone does not tell: an upload's name is in the catalogue, an address may have no path.

    Args:
        source: An absolute path, ``upload:<id>``, or an ``https://`` address.
    """
    if source.startswith("/"):
        return PurePosixPath(source).name
    if source.startswith(UPLOAD_SCHEME):
        return ""
    try:
        return PurePosixPath(urlsplit(source).path).name
    except ValueError:  # not an address either: ingest says so, in better words
        return ""
