"""Rungs and ladders: which renditions a source gets, and never a larger one than itself."""

from typing import Self

from pydantic import Field

from data.domain.model import DomainModel


class RenditionSpec(DomainModel):
    """One rung: a picture size and its bitrate cap."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    short_side: int = Field(ge=64, le=4320)
    """Pixels of the shorter side: the height of landscape video, the width of portrait video."""
    max_kbps: int = Field(ge=50, le=100_000)
    """Peak video bitrate; the encoder's quality target spends less where less is enough."""

    def dimensions(self, width: int, height: int) -> tuple[int, int]:
        """Return (width, height) of this rung for a display size: even, same shape, never larger.

        A side shorter than two pixels becomes two, which is what 4:2:0 video needs.
        """
        scale = min(1.0, self.short_side / min(width, height))
        return _even(width * scale), _even(height * scale)


class Ladder(DomainModel):
    """An ordered set of rungs, highest first."""

    rungs: tuple[RenditionSpec, ...] = Field(min_length=1, max_length=10)

    def fitted_to(self, short_side: int) -> Self:
        """Return the ladder without the rungs that would upscale a source of that short side (pixels).

        A source that lies clearly between two rungs (by more than 10 %) keeps its own size as the highest rung,
        named for it (``540p``). The lowest rung always stays, so that even a tiny source is published.
        """
        rungs = sorted(self.rungs, key=lambda rung: -rung.short_side)
        fitting = [rung for rung in rungs if rung.short_side <= short_side]
        above = [rung for rung in rungs if rung.short_side > short_side]
        top = fitting[0].short_side if fitting else 0
        if above and short_side > top * 1.1:
            fitting.insert(0, _native(above[-1], short_side))
        return type(self)(rungs=tuple(fitting))


def _native(above: RenditionSpec, short_side: int) -> RenditionSpec:
    """A rung at the source's own size, with the bitrate cap of the rung above scaled by its pixels."""
    if short_side < 64:
        return above
    kbps = max(50, round(above.max_kbps * (short_side / above.short_side) ** 2))
    return RenditionSpec(name=f"{short_side}p", short_side=short_side, max_kbps=kbps)


def _even(pixels: float) -> int:
    """Round down to an even number of at least two: what 4:2:0 video needs."""
    return max(2, int(pixels + 1e-6) // 2 * 2)
