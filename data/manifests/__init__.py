"""Batch manifests: CSV, JSONL or Parquet of any size, read in chunks, and every row checked before any work.

``open_manifest`` refuses what is no manifest, ``check_manifest`` checks the rows, ``RejectsFile`` keeps those that are
not valid in the manifest's own format, to be put right and handed in again.
"""

from data.manifests.checking import CheckedChunk, check_manifest
from data.manifests.copying import copy_rows
from data.manifests.formats import ManifestFormat
from data.manifests.raw import CHUNK_ROWS, Manifest
from data.manifests.reading import open_manifest
from data.manifests.rejects import RejectsFile
from data.manifests.rules import ManifestRules

__all__ = [
    "CHUNK_ROWS",
    "CheckedChunk",
    "Manifest",
    "ManifestFormat",
    "ManifestRules",
    "RejectsFile",
    "check_manifest",
    "copy_rows",
    "open_manifest",
]
