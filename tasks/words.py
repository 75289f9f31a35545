"""The first stage where there is no source: a video is made of a prompt or a script, and taken in like any other."""

import secrets
from pathlib import Path

import cv2
from prefect import task
from prefect.logging import get_run_logger

from data.database import Database, open_database
from data.domain.assets import Asset
from data.domain.costs import CostStep, cost_variants
from data.domain.errors import NotMediaError, UnsupportedInputError
from data.domain.generations import GenerationOptions, GenerationRequest, Reference, Words
from data.domain.keys import reference_key
from data.domain.ledger import StoredGeneration, Subject, passed_over_in
from data.domain.recipes import Recipe
from data.settings import Settings, get_settings
from data.storage import ObjectStore, open_store
from tasks.costs import measured
from tasks.fetching import fetch_handed_in
from tasks.generations import generate
from tasks.ingest import take_in
from tasks.last_use import is_stale
from tasks.media.probe import probe
from tasks.media.tools import find_tools
from tasks.policies import TASK_POLICY, tool_limits
from tasks.progress import step_progress
from tasks.providers.sources import FetchedSource
from tasks.workspace import job_owner, workspace

_BRAND_FILES = ("font", "logo", "intro", "outro")


@task(task_run_name="make video", **TASK_POLICY)
def make_video(words: Words, recipe: Recipe, title: str, subject: Subject) -> Asset:
    """Have a provider make a video of words, unless the same was made before, and record it as an asset.

    Args:
        words: What it is made of.
        recipe: Says how, and with which files of the user's (``generation``).
        title: What to call it; its words' beginning by default.
        subject: For whom: whose caps it counts against.
    """
    settings = get_settings()
    store = open_store(settings.storage_url, **settings.storage_options)
    database = open_database(settings.catalogue_url)
    variant = cost_variants(recipe, from_words=True)[CostStep.GENERATION]
    with workspace() as scratch, step_progress("make"), measured(CostStep.GENERATION, variant) as work:
        files = _TakenFiles(scratch, settings, store, database)
        made = generate(files.request(words, recipe.generation), subject)
        asset = take_in(_fetched(made, title or words.title, store, scratch), settings, store, database)
        if not made.is_reused:
            work.done(asset)
    for each in passed_over_in(made.details):
        get_run_logger().info("The provider %s was passed over: %s", each.provider, each.message)
    how = "found again" if made.is_reused else f"made for {made.charged:g} {settings.batch.currency}"
    get_run_logger().info("Video of words by %s, %s: asset %s.", made.provider, how, asset.id)
    return asset


class _TakenFiles:
    """Brings the user's own files into the object store, where a provider finds them. Lives as long as one request."""

    def __init__(self, scratch: Path, settings: Settings, store: ObjectStore, database: Database) -> None:
        self._scratch, self._settings, self._store, self._database = scratch, settings, store, database
        self._names: set[str] = set()

    def request(self, words: Words, options: GenerationOptions) -> GenerationRequest:
        """Return the request for words, with the files that the options name.

        Raises:
            DataError: One of them is not there, not allowed, or of a kind that is not taken.
        """
        shown = tuple(map(self._shown, options.references))
        brand = {name: self._branded(name, source) for name in _BRAND_FILES if (source := getattr(options.brand, name))}
        named = options.brand.model_copy(update={name: each.name for name, each in brand.items()})
        return GenerationRequest(
            prompt=words.prompt,
            script=words.script,
            references=(*shown, *brand.values()),
            options=options.model_copy(update={"brand": named, "references": ()}),
        )

    def _shown(self, source: str) -> Reference:
        fetched = self._fetch(source)
        return self._stored(fetched, self._kind(fetched))

    def _branded(self, name: str, source: str) -> Reference:
        fetched = self._fetch(source)
        return self._stored(fetched, "font" if name == "font" else self._kind(fetched), is_brand=True)

    def _kind(self, fetched: FetchedSource) -> str:
        """Say what a file is.

        Raises:
            UnsupportedInputError: Neither a picture nor a video.
        """
        if cv2.haveImageReader(str(fetched.path)):
            return "image"
        media = self._settings.media
        tools = find_tools(media.ffmpeg, media.ffprobe, media.packager)
        try:
            probe(fetched.path, tools, max_pixels=self._settings.ingest.max_pixels, limits=tool_limits(media))
        except (NotMediaError, UnsupportedInputError) as error:
            raise UnsupportedInputError(f"{fetched.name} is neither a picture nor a video: {error.message}") from error
        return "video"

    def _fetch(self, source: str) -> FetchedSource:
        target = self._scratch / secrets.token_hex(8)
        return fetch_handed_in(source, target, self._settings, self._store, self._database, owner=job_owner())

    def _stored(self, fetched: FetchedSource, kind: str, *, is_brand: bool = False) -> Reference:
        key = reference_key(fetched.sha256, Path(fetched.name).suffix)
        there = self._store.stat(key)
        if there is None or is_stale(there):  # its age is how long nobody has used it
            self._store.put_file(fetched.path, key)
        named = {"name": self._unique(fetched.name), "key": key, "kind": kind, "is_brand": is_brand}
        return Reference.model_validate(named)

    def _unique(self, name: str) -> str:
        """Return a name that no other file of the request has."""
        path, number, unique = Path(name), 1, name
        while unique in self._names:
            number += 1
            unique = f"{path.stem} {number}{path.suffix}"
        self._names.add(unique)
        return unique


def _fetched(made: StoredGeneration, title: str, store: ObjectStore, scratch: Path) -> FetchedSource:
    path = store.fetch(made.key, scratch / "made.mp4")
    return FetchedSource(path, made.sha256, made.size_bytes, title or "video")
