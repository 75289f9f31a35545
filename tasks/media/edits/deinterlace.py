"""Make whole pictures of fields: one of each two, so that the rate stays as it is."""

from typing import Any, Literal

from data.domain.assets import SourceFacts


def deinterlaced(stream: Any, option: Literal["auto", "always", "never"], facts: SourceFacts) -> Any:
    """Return the pictures progressive.

    Args:
        stream: Pictures as they were decoded, before their rate or size is changed.
        option: ``auto`` follows the probe, and then the mark on each picture; ``always`` trusts neither.
        facts: What probing found.
    """
    if option == "never" or (option == "auto" and not facts.video.is_interlaced):
        return stream
    return stream.filter("bwdif", mode="send_frame", deint="all" if option == "always" else "interlaced")
