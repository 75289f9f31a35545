"""Facts of a source that nobody probed, for tests of pure functions; one call says only what matters to it."""

from fractions import Fraction
from typing import Any

from data.domain.assets import AudioFacts, SourceFacts, VideoFacts

STEREO = AudioFacts(stream_index=1, codec="aac", channels=2, sample_rate_hz=44_100, language="eng")


def source_facts(
    width: int = 1920,
    height: int = 1080,
    frame_rate: str = "25",
    *,
    duration_seconds: float = 60.0,
    audio: AudioFacts | None = STEREO,
    picture_delay_seconds: float = 0.0,
    **video: Any,
) -> SourceFacts:
    """Return facts of a plain 1080p source with stereo sound, changed as told."""
    return SourceFacts(
        container="mov,mp4,m4a,3gp,3g2,mj2",
        duration_seconds=duration_seconds,
        picture_delay_seconds=picture_delay_seconds,
        size_bytes=1_000_000,
        video=VideoFacts(
            stream_index=0,
            codec="h264",
            width=width,
            height=height,
            coded_width=width,
            coded_height=height,
            frame_rate=Fraction(frame_rate),
            **video,
        ),
        audio=audio,
    )
