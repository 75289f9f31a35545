"""Content Credentials in a candidate: who signs, which files, and what they say of the source."""

import io
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

from data.domain.analysis import PublishedAnalysis
from data.domain.assets import Asset
from data.domain.provenance import Action, ActionName, Agent, Part, Provenance
from data.domain.publications import Package, PublicationManifest
from data.settings import Settings
from data.storage import ObjectStore
from data.version import VERSION
from tasks.media.certificates import SigningIdentity, configured_identity
from tasks.media.content_credentials import Claim, ClaimedSource, sign
from tasks.media.local_certificate import local_identity

_DAILIES = "Dailies"
_READ_BYTES = 256 * 1024
_DETECTING_MODELS = frozenset({"faces", "onnx"})
"""Detectors that are models; motion is told from a still background by arithmetic."""
_CONTAINERS = {"mp4": "video/mp4", "mov": "video/quicktime", "avi": "video/avi"}
"""Of sources that can carry credentials, by ffmpeg's names."""


def signing_identity(settings: Settings) -> SigningIdentity | None:
    """Return whom publications are signed by; ``None`` where the settings want none signed.

    Raises:
        SigningMisconfiguredError: The certificate or its key cannot be used.
    """
    wanted = settings.provenance
    if not wanted.enabled:
        return None
    if wanted.certificate and wanted.private_key:
        return configured_identity(
            wanted.certificate.expanduser(), wanted.private_key.expanduser(), wanted.timestamp_url
        )
    return local_identity(settings.credentials_path, wanted.timestamp_url)


def to_be_signed(
    provenance: Provenance, package: Package, identity: SigningIdentity | None, annotated: str | None = None
) -> Provenance:
    """Return the provenance with the files that are to carry it, and whose signature.

    Args:
        provenance: What was done.
        package: Its progressive MP4 and its poster are signed.
        identity: Who signs; ``None``: nobody.
        annotated: The video into which an analysis was drawn, if there is one.
    """
    if identity is None:
        return provenance
    signed = (package.mp4_path, package.poster_path, *([annotated] if annotated else ()))
    return provenance.model_copy(update={"signed": signed, "signer": identity.name})


def sign_candidate(
    candidate: Path,
    manifest: PublicationManifest,
    identity: SigningIdentity,
    source: ClaimedSource | None,
    scratch: Path,
) -> dict[str, int]:
    """Replace the files of a candidate that are to carry its provenance by signed ones, each read back and checked.

    Returns their new sizes in bytes, by path.

    Args:
        candidate: The directory that holds the complete candidate.
        manifest: What is to become public, with its provenance.
        identity: Who signs.
        source: What it was made of; ``None`` where everything was made.
        scratch: On the same file system.

    Raises:
        SigningFailedError: Credentials were not written, or do not hold.
    """
    provenance = manifest.provenance
    assert provenance is not None
    sizes = {}
    for path in provenance.signed:
        is_video = path != manifest.poster_path
        said = provenance if is_video else provenance.of_picture()
        actions = tuple(action for action in said.actions if action.is_in_file)
        if manifest.analysis and path in manifest.analysis.paths.values():
            actions = (*actions, _drawn(manifest.analysis))
        # A source that has credentials of its own is read whole, which a still is not worth.
        made_of = source if source is None or is_video else replace(source, content=None)
        claim = Claim(manifest.title, Agent(name=_DAILIES, version=VERSION), actions, made_of, said.components)
        made = scratch / f"signed{Path(path).suffix}"
        sign(candidate / path, made, claim, identity)
        sizes[path] = made.stat().st_size
        made.replace(candidate / path)
    return sizes


def _drawn(analysis: PublishedAnalysis) -> Action:
    """Return what was done to the video into which an analysis was drawn."""
    is_model = analysis.options.detector in _DETECTING_MODELS
    return Action(
        name=ActionName.EDITED,
        what="annotated",
        description="What an analysis found was drawn into it: boxes, tracks, zones and counts.",
        parts=(Part.PICTURE,),
        agent=Agent(name=_DAILIES, version=VERSION),
        models=(Agent(name=analysis.detector),) if is_model else (),
    )


def claimed_source(
    asset: Asset, store: ObjectStore, provenance: Provenance, *, is_private: bool
) -> ClaimedSource | None:
    """Return the source as a claim names it; ``None`` where the video was made of words.

    Args:
        asset: Whose it is.
        store: Where it lies.
        provenance: What is to be said.
        is_private: Leave out the credentials that it carries itself: they may show, or say, who is to stay unknown.
    """
    if provenance.actions[0].name is ActionName.CREATED:
        return None
    kinds = [kind for name, kind in _CONTAINERS.items() if name in asset.facts.container.split(",")]
    content = None if is_private or not kinds else _opened(store, asset)
    # Its name is nobody's business: a title may have been given instead of it.
    return ClaimedSource("Source", asset.sha256, kinds[0] if kinds else "", content)


def _opened(store: ObjectStore, asset: Asset) -> BinaryIO:
    """Open a source where it lies: of one that carries no credentials, only a few kilobytes are read."""
    raw = _StoredSource(store, asset.source_key, asset.facts.size_bytes)
    return cast(BinaryIO, io.BufferedReader(raw, _READ_BYTES))


class _StoredSource(io.RawIOBase):
    """An object of the store as a file to read."""

    def __init__(self, store: ObjectStore, key: str, size_bytes: int) -> None:
        self._store, self._key, self._size = store, key, size_bytes
        self._at = 0

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def seekable(self) -> bool:
        """It can be read in any order."""
        return True

    def tell(self) -> int:
        """Return where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, and return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read as many bytes as there are and fit."""
        end = min(self._at + len(buffer), self._size)
        count = 0
        for chunk in self._store.read_range(self._key, self._at, end) if end > self._at else ():
            buffer[count : count + len(chunk)] = chunk
            count += len(chunk)
        self._at += count
        return count
