"""Recipes as YAML files: those that we ship, and those in a folder of the user's, which win over ours by name.

A recipe may say ``extends: <name>`` and then holds only what differs: mappings are merged, lists and single values
replaced. What it is called, its version and its description are its own. A recipe of the user's that extends its own
name extends the shipped one; shipped recipes only extend shipped ones.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from data.domain.errors import RecipeInvalidError, RecipeUnknownError
from data.domain.recipes import IDENTITY, Recipe

SHIPPED = Path(__file__).parent
MAX_PARENTS = 8
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where there is one: ten times as fast, and each run reads its recipe."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class RecipeOrigin(StrEnum):
    """Where a recipe comes from."""

    SHIPPED = "shipped"
    OWN = "own"


@dataclass(frozen=True)
class FoundRecipe:
    """A recipe as it takes effect, and where it comes from."""

    recipe: Recipe
    origin: RecipeOrigin
    extends: tuple[str, ...] = ()
    """What it is built on, nearest first."""


@dataclass(frozen=True)
class BrokenRecipe:
    """A file that is no valid recipe."""

    name: str
    origin: RecipeOrigin
    problem: RecipeInvalidError


@dataclass(frozen=True)
class RecipeList:
    """All recipes, sorted by name; one broken file does not hide the others."""

    found: tuple[FoundRecipe, ...]
    broken: tuple[BrokenRecipe, ...]


_File = tuple[RecipeOrigin, str]
_Files = Mapping[_File, Path]


def load_recipe(name: str, folder: Path | None = None) -> Recipe:
    """Return a recipe by name, as it takes effect.

    Args:
        name: The file's name without ``.yaml``.
        folder: The user's recipes; looked into first.

    Raises:
        RecipeUnknownError: There is no such recipe; lists those there are.
        RecipeInvalidError: The file, or one that it extends, is no valid recipe.
    """
    return find_recipe(name, folder).recipe


def find_recipe(name: str, folder: Path | None = None) -> FoundRecipe:
    """Return a recipe by name, with where it comes from; as :func:`load_recipe`."""
    files = _files(folder)
    file = _winner(files, name)
    if file is None:
        available = _names(files)
        message = f"There is no recipe {name!r}; there are: {', '.join(available)}."
        raise RecipeUnknownError(message, {"recipe": ascii(name), "available": available})
    return _found(files, file)


def list_recipes(folder: Path | None = None) -> RecipeList:
    """Return all recipes."""
    files = _files(folder)
    found, broken = [], []
    for name in _names(files):
        file = _winner(files, name)
        assert file is not None
        try:
            found.append(_found(files, file))
        except RecipeInvalidError as error:
            broken.append(BrokenRecipe(name, file[0], error))
    return RecipeList(tuple(found), tuple(broken))


def rehearsal_names(folder: Path | None = None) -> frozenset[str]:
    """Return the names of the recipes that only rehearse."""
    return frozenset(each.recipe.name for each in list_recipes(folder).found if each.recipe.rehearsal)


def _files(folder: Path | None) -> _Files:
    """Recipe files by origin and name. What is asked for is looked up here, never made into a path."""
    folders = {RecipeOrigin.SHIPPED: SHIPPED} | ({RecipeOrigin.OWN: folder} if folder else {})
    paths = ((origin, path) for origin, place in folders.items() for path in sorted(place.glob("*.yaml")))
    return {(origin, path.stem): path for origin, path in paths if _NAME.fullmatch(path.stem)}


def _names(files: _Files) -> list[str]:
    return sorted({name for _, name in files})


def _winner(files: _Files, name: str, *origins: RecipeOrigin) -> _File | None:
    candidates = ((origin, name) for origin in origins or (RecipeOrigin.OWN, RecipeOrigin.SHIPPED))
    return next((file for file in candidates if file in files), None)


def _found(files: _Files, file: _File) -> FoundRecipe:
    origin, name = file
    raw, chain = _merged(files, (file,))
    recipe = Recipe.parse({"name": name, **raw})
    if recipe.name != name:
        message = f"{name}.yaml calls itself {recipe.name!r}: file and recipe need the same name."
        raise RecipeInvalidError(message, {"recipe": name})
    return FoundRecipe(recipe, origin, tuple(parent for _, parent in chain[1:]))


def _merged(files: _Files, chain: tuple[_File, ...]) -> tuple[dict[str, Any], tuple[_File, ...]]:
    """The fields of the last recipe of a chain of extensions over those of its parents, and the chain to its end."""
    raw = _read(files[chain[-1]])
    if "extends" not in raw:
        return raw, chain
    parent = _parent(files, chain, raw.pop("extends"))
    inherited, whole_chain = _merged(files, (*chain, parent))
    return _over(raw, {name: value for name, value in inherited.items() if name not in IDENTITY}), whole_chain


def _parent(files: _Files, chain: tuple[_File, ...], parent: object) -> _File:
    (origin, name) = chain[-1]
    is_shipped = origin is RecipeOrigin.SHIPPED or parent == name
    origins = (RecipeOrigin.SHIPPED,) if is_shipped else (RecipeOrigin.OWN, RecipeOrigin.SHIPPED)
    file = _winner(files, parent, *origins) if isinstance(parent, str) else None
    if file is None:
        available = _names(files)
        message = f"{name}.yaml extends {parent!r}, which does not exist; there are: {', '.join(available)}."
        raise RecipeInvalidError(message, {"recipe": name, "available": available})
    names = [each for _, each in (*chain, file)]
    if file in chain:
        raise RecipeInvalidError(f"Recipes extend each other in a circle: {' → '.join(names)}.", {"recipe": name})
    if len(chain) > MAX_PARENTS:
        message = f"Recipes extend each other more than {MAX_PARENTS} deep: {' → '.join(names)}."
        raise RecipeInvalidError(message, {"recipe": name})
    return file


def _over(raw: Mapping[str, Any], inherited: Mapping[str, Any]) -> dict[str, Any]:
    """Merge mappings all the way down; everything else is replaced."""
    merged = dict(inherited)
    for name, value in raw.items():
        below = merged.get(name)
        merged[name] = _over(value, below) if isinstance(value, dict) and isinstance(below, dict) else value
    return merged


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506  # both are safe
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise RecipeInvalidError(f"{path.name} cannot be read: {error}", {"recipe": path.stem}) from error
    if not isinstance(raw, dict):
        raise RecipeInvalidError(f"{path.name} is not a mapping of options.", {"recipe": path.stem})
    return raw
