"""What an edit's inputs hold and how long they last, as far as is known before they are taken in: for plans."""

import hashlib
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from data.database import Database
from data.domain.assets import SourceFacts
from data.domain.edits import CONTENT_SCHEME, EditOptions
from data.domain.errors import DailiesError, DataError, ModelMissingError
from data.domain.keys import asset_id
from data.domain.sources import UPLOAD_SCHEME
from data.repositories import AssetRepository, UploadRepository
from data.settings import Settings
from tasks.models.store import ModelStore
from tasks.providers.sources import allowed_path

_QUICKLY_READ_BYTES = 512 * 1024**2
"""A plan reads no larger file to see whether it has changed."""


def named_by_content(edits: EditOptions, settings: Settings, database: Database, *, owner: str | None) -> EditOptions:
    """Return edits with their inputs named as ``tasks.inputs`` would, as far as nothing has to be fetched for it.

    So a plan sees whether what a row asks for is public already. What lies elsewhere, is large or is not there keeps
    its name, and looks new.

    Args:
        edits: As somebody wrote them.
        settings: Say where local files may lie.
        database: Knows the uploads.
        owner: Whose an upload must be; ``None`` takes anybody's.
    """
    if not edits.needs_inputs:
        return edits  # as a job does
    uploads = [each.removeprefix(UPLOAD_SCHEME) for each in edits.sources if each.startswith(UPLOAD_SCHEME)]
    with database.session() as session:
        found = UploadRepository(session).contents(uploads, owner) if uploads else {}
    known = {f"{UPLOAD_SCHEME}{upload}": sha256 for upload, sha256 in found.items()}
    for source in edits.sources:
        if source.startswith("/") and (sha256 := _content_of(source, settings)):
            known[source] = sha256
    return edits.addressed(
        {source: f"{CONTENT_SCHEME}{sha256}" for source, sha256 in known.items()}, _text_picture(edits, settings)
    )


@dataclass(frozen=True)
class JoinedClips:
    """How long the clips last that recipes join to a source; lives as long as one plan and looks into each file once.

    Of what is neither on this machine nor in the catalogue nobody knows it: that counts for nothing.
    """

    database: Database
    look_into: Callable[[str], SourceFacts]
    """Returns the facts of a local file; raises what is wrong with it."""
    owner: str | None = None
    """Whose an upload must be; ``None`` takes anybody's."""
    _known: dict[str, float] = field(default_factory=dict)

    def seconds(self, edits: EditOptions) -> float:
        """Return by how much what edits join to a source's own part makes it longer."""
        join = edits.join
        lengths = [self._length(source) for source in (join.intro, *join.append, join.outro) if source]
        return sum(max(0.0, length - join.cross_fade_seconds) for length in lengths)

    def _length(self, source: str) -> float:
        if source not in self._known:
            self._known[source] = self._looked_up(source)
        return self._known[source]

    def _looked_up(self, source: str) -> float:
        try:
            if source.startswith("/"):
                return self.look_into(source).duration_seconds
        except DailiesError:  # for its job to say
            return 0.0
        upload = source.removeprefix(UPLOAD_SCHEME)
        with self.database.session() as session:
            found = UploadRepository(session).contents([upload], self.owner) if upload != source else {}
            assets = [asset_id(sha256) for sha256 in found.values()]
            measures = AssetRepository(session).measures(assets)
        return sum(each.media_seconds for each in measures.values())


def _text_picture(edits: EditOptions, settings: Settings) -> str:
    """Return the address of the picture of a watermark's text; empty without one, or where it cannot be drawn here."""
    if not edits.watermark.has_text:
        return ""
    from tasks.lettered_mark import write_lettered_mark  # brings models along; few have words

    with tempfile.TemporaryDirectory(prefix="dailies-mark-") as folder:
        models = ModelStore(settings.models.directory, settings.models.auto_pull)
        try:
            drawn = write_lettered_mark(edits.watermark, Path(folder) / "text.png", models)
        except (DataError, ModelMissingError):  # for its job to say: one row must not stop the plan of all
            return ""
    return f"{CONTENT_SCHEME}{drawn.sha256}"


def _content_of(source: str, settings: Settings) -> str | None:
    """Return the sha256 of a local file that is quickly read; what is wrong with it is for its job to say."""
    try:
        path = allowed_path(source, settings.source_roots)
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _QUICKLY_READ_BYTES:
            return None
        return _hashed(path, status.st_size, status.st_mtime_ns)
    except (DataError, OSError):
        return None


@lru_cache(maxsize=1024)
def _hashed(path: Path, size_bytes: int, modified_ns: int) -> str:
    """Return the sha256 of a file; size and time of its last change tell whether that is known."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
