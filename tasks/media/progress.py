"""Read what ffmpeg says of its progress: blocks of ``key=value`` lines, each closed by ``progress=continue|end``."""

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Progress:
    """One report of a running encoder."""

    out_seconds: float
    frame_count: int
    frames_per_second: float
    speed: float
    """Seconds of media made in a second; 0 while unknown."""
    share: float | None
    """0 to 1, never falling; ``None`` when the expected duration is unknown."""


def staged(
    on_progress: Callable[[Progress], None] | None, start: float, end: float
) -> Callable[[Progress], None] | None:
    """Return what is to be told the progress of a part of the work, which goes from a share (0–1) to another."""
    if on_progress is None:
        return None
    return lambda told: on_progress(replace(told, share=start + (end - start) * (told.share or 0.0)))


class ProgressReader:
    """Turns the bytes of one encoder's progress pipe into reports; lives as long as that encoder."""

    def __init__(self, expected_seconds: float | None) -> None:
        self.last: Progress | None = None
        self.has_ended = False
        self.mark: tuple[str, ...] = ()
        """What must change for the encoder to count as moving: media time, frames, bytes."""
        self._expected_seconds = expected_seconds
        self._rest = b""
        self._block: dict[str, str] = {}

    def feed(self, data: bytes) -> Progress | None:
        """Take some bytes; return the newest report that they complete, if any."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        newest = None
        for line in lines:
            key, _, value = line.decode(errors="replace").strip().partition("=")
            self._block[key] = value.strip()
            if key == "progress":
                self.has_ended = self._block["progress"] == "end"
                self.last = newest = self._report()
                self._block = {}
        return newest

    def _report(self) -> Progress:
        block = self._block
        self.mark = tuple(block.get(key, "") for key in ("out_time_us", "frame", "total_size"))
        seconds = max(0.0, _number(block.get("out_time_us")) / 1_000_000)
        if self.last is not None:
            seconds = max(seconds, self.last.out_seconds)  # it says N/A while it waits for a first packet of a stream
        share = None
        if self._expected_seconds:
            share = min(1.0, seconds / self._expected_seconds)
        return Progress(
            out_seconds=seconds,
            frame_count=int(_number(block.get("frame"))),
            frames_per_second=_number(block.get("fps")),
            speed=_number((block.get("speed") or "").rstrip("x")),
            share=share,
        )


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:  # N/A
        return 0.0
