"""Domain values to store, as small as they can be."""

import hashlib
from datetime import UTC, datetime
from fractions import Fraction

from data.domain.assets import Asset, SourceFacts, VideoFacts
from data.domain.keys import asset_id, package_prefix, publication_prefix, source_key
from data.domain.publications import (
    GateCheck,
    GateReport,
    Package,
    PosterCandidate,
    PublicationManifest,
    Rendition,
    SourceMeasures,
    SpriteSheet,
    ToolVersions,
)

TOOLS = ToolVersions(ffmpeg="9.0", packager="3.8", encoder_threads=2)
SPRITE = SpriteSheet(
    image_path="s.jpg", vtt_path="s.vtt", tile_width=160, tile_height=90, columns=10, count=1, interval_seconds=1.0
)


def sample_facts(duration_seconds: float = 10.5) -> SourceFacts:
    video = VideoFacts(
        stream_index=0,
        codec="h264",
        width=1280,
        height=720,
        coded_width=1280,
        coded_height=720,
        frame_rate=Fraction(30000, 1001),
    )
    return SourceFacts(
        container="mov",
        duration_seconds=duration_seconds,
        size_bytes=6_000_000_000,
        video=video,
        tags={"title": "ü – 日本 🎬"},
    )


def sample_asset(content: str = "one", name: str = "one.mp4") -> Asset:
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    return Asset(
        id=asset_id(sha256), sha256=sha256, source_key=source_key(sha256), original_name=name, facts=sample_facts()
    )


def sample_rendition(name: str = "720p") -> Rendition:
    return Rendition(
        name=name,
        width=1280,
        height=720,
        frame_rate="30000/1001",
        size_bytes=5_000_000_000,
        average_kbps=3000,
        frame_count=315,
        codec="avc1.64001f",
        media_prefix=f"{name}/",
        playlist_path=f"{name}.m3u8",
    )


def sample_package(asset: Asset, key: str = "k" * 24) -> Package:
    return Package(
        asset_id=asset.id,
        key=key,
        prefix=package_prefix(asset.id, key, "one"),
        duration_seconds=10.5,
        renditions=(sample_rendition(),),
        audio=None,
        mp4_path="video.mp4",
        poster_path="poster.jpg",
        poster_at_seconds=1.0,
        poster_candidates=(PosterCandidate(path="poster.jpg", at_seconds=1.0, score=0.5),),
        sprite=SPRITE,
        measures=SourceMeasures(decoded_frames=315, black_share=0.0),
        tools=TOOLS,
        files={"720p.mp4": 5_000_000_000},
    )


def sample_manifest(asset: Asset, version: int = 1, job: str = "job-1") -> PublicationManifest:
    return PublicationManifest(
        asset_id=asset.id,
        version=version,
        job_id=job,
        recipe="default",
        published_at=datetime(2026, 1, 1, 12, version, tzinfo=UTC),
        title="A title",
        prefix=publication_prefix(asset.id, version, job),
        content_key="c" * 24,
        source_sha256=asset.sha256,
        source=asset.facts,
        duration_seconds=10.5,
        renditions=(sample_rendition("720p"), sample_rendition("240p")),
        audio=None,
        captions=(),
        chapters=(),
        mp4_path="video.mp4",
        poster_path="poster.jpg",
        sprite=SPRITE,
        files={"720p.mp4": 5_000_000_000},
        gate=GateReport(checks=(GateCheck(name="decodes", outcome="passed", detail="315 frames"),)),
        tools=TOOLS,
    )
