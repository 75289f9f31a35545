"""Take the shake out of a picture, by a first look at how it moves (vid.stab, in two passes).

The first pass decodes the kept part once more, without its sound, and looks for its motion: the encode of a ladder
takes about twice the processor time. The picture is enlarged by as little as hides its moving edges.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tasks.media.edits.footage import Footage


def looked_at(footage: Footage, motion: Path) -> Any:
    """Return pictures whose way through the filters writes down how they move.

    Args:
        footage: Exactly what is to be stabilised.
        motion: The file that takes it.
    """
    return footage.picture.filter("vidstabdetect", result=str(motion), shakiness=6, accuracy=15)


def applied(footage: Footage, motion: Path) -> Footage:
    """Move each picture against the shake.

    Args:
        footage: What was looked at.
        motion: How it moves.
    """
    picture = footage.picture.filter("vidstabtransform", input=str(motion), smoothing=15, interpol="bicubic")
    return replace(footage, picture=picture)
