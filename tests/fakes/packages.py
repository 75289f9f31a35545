"""Real packages for tests: one call transcodes a file into a folder, fast and small."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from data.domain.assets import Asset, SourceFacts
from data.domain.publications import Package
from data.domain.recipes import Recipe
from tasks.media.edits.editing import NO_INPUTS
from tasks.media.edits.inputs import Inputs
from tasks.media.piecework import NO_PIECEWORK, Piecework
from tasks.media.probe import probe
from tasks.media.process import Limits
from tasks.media.tools import find_tools
from tasks.media.transcode import transcode

SMALL = Recipe.parse(
    {
        "video": {
            "preset": "ultrafast",
            "segment_seconds": 2,
            "ladder": {
                "rungs": [
                    {"name": "360p", "short_side": 360, "max_kbps": 900},
                    {"name": "144p", "short_side": 144, "max_kbps": 200},
                ]
            },
        }
    }
)
"""Two rungs and segments of two seconds."""


def make_package(
    source: Path,
    folder: Path,
    recipe: Recipe = SMALL,
    facts: SourceFacts | None = None,
    slot: Callable[[], AbstractContextManager[int]] = lambda: nullcontext(2),
    inputs: Inputs = NO_INPUTS,
    piecework: Piecework = NO_PIECEWORK,
) -> tuple[Package, SourceFacts, Path]:
    """Transcode a source into ``folder``; return the package, the source's facts and where the files are."""
    tools = find_tools()
    found = facts or probe(source, tools)
    directory, scratch = folder / "package", folder / "scratch"
    directory.mkdir(parents=True)
    scratch.mkdir()
    asset = Asset(id="a" * 24, sha256="a" * 64, source_key="sources/a", original_name=source.name, facts=found)
    package = transcode(
        source,
        asset,
        recipe,
        key="key",
        prefix="packages/a/key/",
        directory=directory,
        scratch=scratch,
        tools=tools,
        encode_slot=slot,
        limits=Limits(),
        inputs=inputs,
        piecework=piecework,
    )
    return package, found, directory
