"""Further files that an edit works with: taken in like a source, and known by their content from then on.

What is stored is a cache: every job that names a file fetches it again, since only that tells its content, and stores
it anew where it has gone. So retention deletes what no job has used for long, without asking anybody.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from prefect import task
from prefect.logging import get_run_logger

from data.database import Database, open_database
from data.domain.edits import CONTENT_SCHEME, EditOptions, InputKind, NamedInput
from data.domain.errors import DataError, InputTooLongError, NotFoundError, ObjectMissingError, TransientError
from data.domain.inputs import TakenInput
from data.domain.keys import input_key
from data.domain.recipes import Recipe
from data.settings import Settings, get_settings
from data.storage import ObjectStore, StoredObject, open_store
from tasks.fetching import fetch_handed_in
from tasks.last_use import is_stale, note_use
from tasks.media.edits.inputs import Input
from tasks.media.pictures import write_plain_picture
from tasks.media.probe import probe, probe_sound
from tasks.media.tools import find_tools
from tasks.models.store import ModelStore
from tasks.policies import TASK_POLICY, tool_limits
from tasks.providers.sources import FetchedSource
from tasks.workspace import job_owner, workspace


@task(task_run_name="ingest inputs", **TASK_POLICY)
def ingest_inputs(recipe: Recipe) -> Recipe:
    """Fetch everything else that a recipe's edits name (a watermark, an intro), refuse what is not what it should be.

    What comes back is the same recipe, in which each of them is named by its content.

    Args:
        recipe: With edits that name sources of the kinds that a job takes.
    """
    settings = get_settings()
    store = open_store(settings.storage_url, **settings.storage_options)
    database = open_database(settings.catalogue_url)
    with workspace() as scratch:
        edits = take_in_inputs(recipe.edit, scratch, settings, store, database, owner=job_owner())
    get_run_logger().info("Took in what the edits work with: %s.", ", ".join(each.field for each in edits.inputs))
    return recipe.model_copy(update={"edit": edits})


def take_in_inputs(
    edits: EditOptions, scratch: Path, settings: Settings, store: ObjectStore, database: Database, *, owner: str | None
) -> EditOptions:
    """Fetch, check and store the inputs of edits; return the edits with each named by its content.

    Args:
        edits: As somebody wrote them.
        scratch: Directory for the files while they are looked at.
        settings: Say what may be fetched.
        store: Takes the files; holds the uploads.
        database: Knows the uploads.
        owner: Whose an upload must be; ``None`` takes anybody's.

    Raises:
        DataError: One is not there, not allowed, or not what it should be; names the recipe's field.
        SourceUnavailableError: The host of one did not answer.
    """
    door = _Door(scratch, settings, store, database, owner)
    addresses = door.take_in(edits.inputs)
    return edits.addressed(addresses, door.draw_text(edits) if edits.watermark.has_text else "")


def fetch_inputs(edits: EditOptions, store: ObjectStore, folder: Path) -> dict[str, Input]:
    """Bring the inputs of edits into a workspace, by the addresses that :func:`ingest_inputs` gave them.

    Args:
        edits: Those of a recipe that it gave back.
        store: Where the files lie.
        folder: A folder for them; made if it is not there.

    Raises:
        ObjectMissingError: One is not in the store.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fetched: dict[str, Input] = {}
    for named in _widest(edits.inputs):
        recorded = _recorded(store, named.source.removeprefix(CONTENT_SCHEME), named.kind)
        if recorded is None:
            raise ObjectMissingError(
                f"{named.field}: the file is not in the object store any more.", {"field": named.field}
            )
        taken, _ = recorded
        path = store.fetch(taken.media_key, folder / f"{len(fetched)}{Path(taken.media_key).suffix}")
        fetched[named.source] = Input(
            path, taken.kind, taken.sha256, facts=taken.facts, size=taken.size, sound=taken.sound
        )
    return fetched


def _widest(inputs: Iterable[NamedInput]) -> list[NamedInput]:
    """Return each address once; one that is both seen and heard as a clip, which is both."""
    ordered = sorted(inputs, key=attrgetter("source", "kind"))
    return [next(same) for _, same in groupby(ordered, key=attrgetter("source"))]


def _recorded(store: ObjectStore, sha256: str, kind: InputKind) -> tuple[TakenInput, StoredObject] | None:
    """Return what is known of a file, and the object that holds it, if both are still there; it counts as used now."""
    record = store.stat(input_key(sha256, f".{kind}.json"))
    if record is None:
        return None
    taken = TakenInput.model_validate_json(store.get_bytes(record.key))
    media = store.stat(taken.media_key)
    if media is None:
        return None
    note_use(store, record)
    return taken, media


@contextmanager
def _blaming(named: NamedInput) -> Iterator[None]:
    """Let what is wrong with a file be told with the recipe's field that names it.

    Raises:
        DailiesError: What was raised meanwhile, with field and source.
    """
    try:
        yield
    except (DataError, NotFoundError, TransientError) as error:
        facts = {**error.facts, "field": named.field, "input": named.source}
        raise type(error)(f"{named.field} ({named.source}): {error.message}", facts) from error


@dataclass(frozen=True)
class _Door:
    """Lets files in. Lives as long as one task."""

    scratch: Path
    settings: Settings
    store: ObjectStore
    database: Database
    owner: str | None

    def take_in(self, inputs: tuple[NamedInput, ...]) -> dict[str, str]:
        """Return the addresses by content of all files, each fetched once; errors name the recipe's field."""
        addresses: dict[str, str] = {}
        ordered = sorted(inputs, key=attrgetter("source"))
        for place, (source, uses) in enumerate(groupby(ordered, key=attrgetter("source"))):
            named = list(uses)
            with _blaming(named[0]):
                fetched = self._fetch(source, place)
            for use in named:
                with _blaming(use):
                    addresses[source] = self._take(fetched, use.kind).address
        return addresses

    def draw_text(self, edits: EditOptions) -> str:
        """Make a picture of the watermark's text, and return its address."""
        path = self.scratch / "text.png"
        models = ModelStore(self.settings.models.directory, self.settings.models.auto_pull)
        from tasks.lettered_mark import write_lettered_mark  # brings models along; few have words

        drawn = write_lettered_mark(edits.watermark, path, models)
        key = input_key(drawn.sha256, ".png")
        taken = TakenInput(sha256=drawn.sha256, kind="picture", media_key=key, size=drawn.size)
        return (self._reusable(drawn.sha256, "picture") or self._stored(taken, path)).address

    def _fetch(self, source: str, place: int) -> FetchedSource:
        target = self.scratch / f"input-{place}"
        return fetch_handed_in(source, target, self.settings, self.store, self.database, owner=self.owner)

    def _take(self, fetched: FetchedSource, kind: InputKind) -> TakenInput:
        """Find out what a file is, unless that is known, and store it by its content."""
        if taken := self._reusable(fetched.sha256, kind):
            return taken
        match kind:
            case "clip":
                return self._clip(fetched)
            case "picture":
                return self._picture(fetched)
            case "sound":
                return self._sound(fetched)

    def _reusable(self, sha256: str, kind: InputKind) -> TakenInput | None:
        """Return what is known of a file that need not be stored anew."""
        recorded = _recorded(self.store, sha256, kind)
        return recorded[0] if recorded is not None and not is_stale(recorded[1]) else None

    def _clip(self, fetched: FetchedSource) -> TakenInput:
        ingest, media = self.settings.ingest, self.settings.media
        tools = find_tools(media.ffmpeg, media.ffprobe, media.packager)
        facts = probe(
            fetched.path, tools, max_pixels=ingest.max_pixels, limits=tool_limits(media), scratch=self.scratch
        )
        if facts.duration_seconds > ingest.max_duration_seconds:
            raise InputTooLongError(
                f"It lasts {facts.duration_seconds:.0f} s; the limit is {ingest.max_duration_seconds:.0f} s.",
                {"duration_seconds": facts.duration_seconds, "max_duration_seconds": ingest.max_duration_seconds},
            )
        key = input_key(fetched.sha256)
        taken = TakenInput(sha256=fetched.sha256, kind="clip", media_key=key, facts=facts, sound=facts.audio)
        return self._stored(taken, fetched.path)

    def _picture(self, fetched: FetchedSource) -> TakenInput:
        plain = fetched.path.with_suffix(".png")
        size = write_plain_picture(fetched.path, plain, max_pixels=self.settings.ingest.max_pixels)
        key = input_key(fetched.sha256, ".png")
        return self._stored(TakenInput(sha256=fetched.sha256, kind="picture", media_key=key, size=size), plain)

    def _sound(self, fetched: FetchedSource) -> TakenInput:
        media = self.settings.media
        tools = find_tools(media.ffmpeg, media.ffprobe, media.packager)
        limits = tool_limits(media)
        sound = probe_sound(
            fetched.path, tools, max_pixels=self.settings.ingest.max_pixels, limits=limits, scratch=self.scratch
        )
        key = input_key(fetched.sha256)
        return self._stored(TakenInput(sha256=fetched.sha256, kind="sound", media_key=key, sound=sound), fetched.path)

    def _stored(self, taken: TakenInput, path: Path) -> TakenInput:
        """Store a file, then what is known of it."""
        there = self.store.stat(taken.media_key)
        if there is None or is_stale(there):  # its age is how long nobody has used it
            self.store.put_file(path, taken.media_key)
        self.store.put_bytes(taken.model_dump_json().encode(), input_key(taken.sha256, f".{taken.kind}.json"))
        return taken
