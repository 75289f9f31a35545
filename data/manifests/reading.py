"""Opening a manifest, whatever its format."""

from pathlib import Path

from data.manifests.csv_text import open_csv
from data.manifests.formats import ManifestFormat, detect_format
from data.manifests.json_lines import open_jsonl
from data.manifests.parquet import open_parquet
from data.manifests.raw import Manifest


def open_manifest(path: Path, name: str = "") -> Manifest:
    """Return a manifest.

    Args:
        path: The file.
        name: What it was called when it was handed in, if not as the file.

    Raises:
        ManifestError: It cannot be a manifest; says what to do.
    """
    found = detect_format(path, name)
    name = name or path.name
    if found is ManifestFormat.PARQUET:
        return open_parquet(path, name)
    return open_jsonl(path, name) if found is ManifestFormat.JSONL else open_csv(path, name)
