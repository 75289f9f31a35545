"""A store with something public in it, a catalogue, and a publish target that is to have a copy."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import update

from data.copies import IsSending, may_be_sent, withdraw_due
from data.copying import make_copy
from data.database import Database
from data.domain.copies import POINTER_NAME, TargetCopy, copy_of
from data.domain.findings import Decision
from data.domain.publications import AudioRendition, PublicationManifest, PublishedCaptions
from data.domain.targets import PublishTarget
from data.publishing import standing, switch
from data.repositories import AssetRepository, CopyRepository, PublicationRepository
from data.storage import open_store
from data.tables import CopyRow, utc_now
from tests.data.samples import sample_asset, sample_manifest

ASSET, OTHER = sample_asset(), sample_asset("two", "two.mp4")
ANN = Decision(by="Ann", at=datetime(2026, 5, 1, 8, tzinfo=UTC))
CAPTIONS = PublishedCaptions(
    language="en", label="English", vtt_path="captions-en.vtt", srt_path="captions-en.srt",
    playlist_path="captions-en.m3u8", word_count=1, cue_count=1, first_lines=(), model="whisper-base",
)  # fmt: skip
FILES = {
    "master.m3u8": 10, "manifest.mpd": 11, "720p.m3u8": 12, "720p/init.mp4": 13, "720p/00001.m4s": 14,
    "audio.m3u8": 15, "audio/init.mp4": 16, "video.mp4": 17, "poster.jpg": 18, "s.jpg": 19, "s.vtt": 20,
    "captions-en.vtt": 21, "captions-en.srt": 22, "captions-en.m3u8": 23, "new-in-some-version.bin": 24,
}  # fmt: skip
SOUND = AudioRendition(
    channels=2, sample_rate_hz=48_000, size_bytes=16, average_kbps=1, codec="mp4a.40.2", media_prefix="audio/",
    playlist_path="audio.m3u8",
)  # fmt: skip


class TargetWorld:
    """A store with what is public, a catalogue, and a target."""

    def __init__(self, folder: Path, database: Database, url: str, options: dict[str, Any]) -> None:
        self.folder, self.database, self.url = folder, database, url
        self.store = open_store(f"file://{folder / 'store'}")
        self.target: Any = open_store(url, **options)
        with database.session() as session:
            for asset in (ASSET, OTHER):
                AssetRepository(session).record(asset)

    def publish(self, job: str = "job-0001", title: str = "Tides", asset: Any = ASSET) -> PublicationManifest:
        now = standing(self.store, asset.id)
        sample = sample_manifest(asset, now.next_version, job)
        more = {"files": FILES, "title": title, "captions": (CAPTIONS,), "audio": SOUND}
        manifest = sample.model_copy(update={**more, "content_key": job})
        for path, size in FILES.items():
            self.store.put_bytes(b"x" * size, manifest.prefix + path)
        switch(self.store, manifest, now.etag)
        with self.database.session() as session:
            PublicationRepository(session).record(manifest)
        return manifest

    def want(self, manifest: PublicationManifest, **target: Any) -> TargetCopy:
        copy = copy_of(manifest, PublishTarget(name="cdn", url=self.url, **target), manifest.job_id)
        with self.database.session() as session:
            CopyRepository(session).want([copy])
        return copy

    def make(self, copy: TargetCopy, manifest: PublicationManifest, target: Any = None) -> int:
        return make_copy(self.store, self.database, target or self.target, copy, manifest, self.folder)

    def copy(self, manifest: PublicationManifest, **target: Any) -> TargetCopy:
        copy = self.want(manifest, **target)
        self.make(copy, manifest)
        return copy

    def states(self, asset: Any = ASSET) -> list[tuple[int, str]]:
        with self.database.session() as session:
            return [(each.version, each.state.value) for each in CopyRepository(session).of_asset(asset.id)]

    def pointer(self, folder: str = ASSET.id) -> dict[str, Any] | None:
        found = self.target.get_versioned(f"{folder}/{POINTER_NAME}")
        return json.loads(found[0]) if found else None

    def files(self, copy: TargetCopy) -> dict[str, int]:
        return {each.key.removeprefix(copy.prefix): each.size_bytes for each in self.target.list(copy.prefix)}

    def withdraw(self, target: Any = None, is_sending: IsSending = may_be_sent) -> list[str]:
        return withdraw_due(self.database, lambda _url: target or self.target, is_sending=is_sending)

    def hasten(self) -> None:
        """Have what is to be tried again later due now."""
        with self.database.session() as session:
            session.execute(update(CopyRow).where(CopyRow.due_at.is_not(None)).values(due_at=utc_now()))
