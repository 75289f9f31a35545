"""What is new: sources that hold what they held, with a wish that is fulfilled, need no work at all.

A source is known again by its fingerprint, without being read; what it holds is then known, and so is whether that was
published with the same effective recipe, title, programs and models. Everything else is new.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import orjson
from sqlalchemy.orm import Session

from data.domain.costs import CostStep, cost_variants, encoded_share
from data.domain.edits import NO_EDITS, EditOptions
from data.domain.errors import DataError
from data.domain.keys import asset_id, step_key, work_key
from data.domain.publications import ToolVersions
from data.domain.recipes import Recipe
from data.domain.sources import UPLOAD_SCHEME
from data.repositories import (
    AssetMeasures,
    AssetRepository,
    Fulfilment,
    FulfilmentRepository,
    ItemWish,
    PackageRepository,
    SourceVersionRepository,
    UploadRepository,
)
from tasks.providers.fingerprints import fingerprints
from tasks.providers.sources import SourceLimits

_KEPT_RECIPES = 10_000
Profile = tuple[tuple[CostStep, str], ...]
"""The steps that a recipe takes, each with what decides its cost."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is told of a source without reading it."""

    fingerprint: str | None
    """``None``: nobody can tell whether it changed."""
    size_bytes: int | None = None
    is_missing: bool = False
    """It is not there, or may not be read."""


LookAt = Callable[[Sequence[str]], list[Look]]
"""Looks at sources, many at a time."""


@dataclass(frozen=True, slots=True)
class Effective:
    """A recipe as it takes effect, as far as planning is concerned."""

    digest: str
    made_with: str
    profile: Profile
    transcode_options: Mapping[str, object]
    generation: str = ""
    """Digest of how a video is made of words: known of them is what was made in the same way."""
    words_profile: Profile = ()
    """The steps of an item that begins with words."""
    preparation_options: Mapping[str, object] = field(default_factory=dict)
    """Empty where picture and sound stay what they are."""
    prepared_with: str = ""
    is_rehearsal: bool = False
    encoded_share: float = 1.0
    """Of the work of an encode, what is left where pictures are copied."""
    target_count: int = 0
    """How many targets get a copy."""
    joined_seconds: float = 0.0
    """How much longer it is for what is joined to it."""
    edit: EditOptions = NO_EDITS
    """It decides how long what is encoded lasts."""

    def steps(self, wish: ItemWish) -> Profile:
        """Return the steps that an item takes."""
        return self.profile if wish.source or self.is_rehearsal else self.words_profile


class Recipes:
    """The effective recipes of a batch. Lives as long as one plan.

    Args:
        load: Returns a recipe by name.
        made_with: Returns the versions of all programs and models that a recipe uses.
        prepared_with: Returns those of its preparation.
        by_content: Names what a recipe's edits work with by its content, as a job does, as far as that is known.
        joined_seconds: Says how much longer a video is for what its edits join to it, as far as that is known.
    """

    def __init__(
        self,
        load: Callable[[str], Recipe],
        made_with: Callable[[Recipe], str],
        prepared_with: Callable[[Recipe], str],
        by_content: Callable[[Recipe], Recipe] = lambda recipe: recipe,
        joined_seconds: Callable[[EditOptions], float] = lambda edits: 0.0,
    ) -> None:
        self._load = lru_cache(maxsize=None)(load)
        self._made_with = made_with
        self._prepared_with = prepared_with
        self._by_content = by_content
        self._joined_seconds = joined_seconds
        self._effective = lru_cache(maxsize=_KEPT_RECIPES)(self._resolve)

    def of(self, wish: ItemWish) -> Effective | None:
        """Return the recipe of an item; ``None`` when it does not exist any more, or cannot be read."""
        return self._effective(wish.recipe, orjson.dumps(wish.overrides, option=orjson.OPT_SORT_KEYS))

    def _resolve(self, name: str, overrides: bytes) -> Effective | None:
        try:
            written = self._load(name).with_overrides(orjson.loads(overrides))
            recipe = self._by_content(written)
        except DataError:
            return None
        return Effective(
            digest=recipe.digest(),
            made_with=self._made_with(recipe),
            profile=tuple(cost_variants(recipe).items()),
            transcode_options=recipe.transcode_options(),
            generation=recipe.generation.digest(),
            words_profile=tuple(cost_variants(recipe, from_words=True).items()),
            preparation_options=recipe.preparation_options(),
            prepared_with=self._prepared_with(recipe),
            is_rehearsal=recipe.rehearsal,
            encoded_share=encoded_share(recipe),
            target_count=len(recipe.publish.targets),
            joined_seconds=self._joined_seconds(written.edit),
            edit=recipe.edit,
        )


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the source of an item."""

    asset_id: str | None = None
    measures: AssetMeasures | None = None
    fulfilment: Fulfilment | None = None
    is_encoded: bool = False
    """The encode that the recipe asks for was done already."""


_UNKNOWN = Known()


def look_at_sources(sources: Sequence[str], limits: SourceLimits) -> list[Look]:
    """Look at sources: files one after the other, remote ones several at a time.

    Args:
        sources: As manifests have been checked for.
        limits: What may be fetched, and from where.
    """
    found = fingerprints(sources, limits)
    return [_look(source, found[source]) for source in sources]


def _look(source: str, found: str | None) -> Look:
    if not source.startswith("/"):
        return Look(found)
    try:
        return Look(found, os.stat(source).st_size)  # noqa: PTH116 - a third of the time of Path.stat, for each row
    except OSError:
        return Look(None, is_missing=True)


def find_known(
    session: Session,
    wishes: Sequence[ItemWish],
    looks: Sequence[Look],
    recipes: Sequence[Effective],
    tools: ToolVersions,
) -> list[Known]:
    """Return what the catalogue knows of each wish.

    Args:
        session: One unit of work.
        wishes: Some items.
        looks: At their sources.
        recipes: Theirs.
        tools: What an encode would be made with now.
    """
    assets = _assets(session, wishes, looks)
    measures = AssetRepository(session).measures(asset for asset in assets if asset)
    keys = [
        (asset or "", work_key(asset or "", recipe.digest, wish.title, recipe.made_with))
        for wish, asset, recipe in zip(wishes, assets, recipes, strict=True)
    ]
    fulfilled = FulfilmentRepository(session).fulfilled(key for key in keys if key[0])
    left = [bool(asset) and key not in fulfilled for asset, key in zip(assets, keys, strict=True)]
    encodes = [
        _encode_key(measures.get(asset or ""), recipe, tools) if is_left else ""
        for asset, recipe, is_left in zip(assets, recipes, left, strict=True)
    ]
    encoded = PackageRepository(session).present({key for key in encodes if key})
    return [
        Known(asset, measures.get(asset), fulfilled.get(key), encode in encoded) if asset else _UNKNOWN
        for asset, key, encode in zip(assets, keys, encodes, strict=True)
    ]


def _assets(session: Session, wishes: Sequence[ItemWish], looks: Sequence[Look]) -> list[str | None]:
    """Return the asset that each source holds, where that is known."""
    versions = SourceVersionRepository(session).known({wish.address for wish in wishes})
    uploads = {wish.source.removeprefix(UPLOAD_SCHEME) for wish in wishes if wish.source.startswith(UPLOAD_SCHEME)}
    contents = {
        UPLOAD_SCHEME + upload: asset_id(sha) for upload, sha in UploadRepository(session).contents(uploads).items()
    }
    found: list[str | None] = []
    for wish, look in zip(wishes, looks, strict=True):
        version = versions.get(wish.address)
        is_same = version is not None and version.fingerprint == look.fingerprint
        found.append(version.asset_id if version is not None and is_same else contents.get(wish.source))
    return found


def _encode_key(measures: AssetMeasures | None, recipe: Effective, tools: ToolVersions) -> str:
    if measures is None:
        return ""
    content = measures.sha256
    if recipe.preparation_options:
        content = step_key("prepare", content, dict(recipe.preparation_options), recipe.prepared_with)
    return step_key("transcode", content, dict(recipe.transcode_options), tools)
