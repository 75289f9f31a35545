"""Recipes as YAML files: those that we ship, and those in a folder of the user's, which win over ours by name."""

import re
from pathlib import Path

import yaml

from data.domain.errors import RecipeInvalidError, RecipeUnknownError
from data.domain.recipes import Recipe

SHIPPED = Path(__file__).parent
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def load_recipe(name: str, folder: Path | None = None) -> Recipe:
    """Return a recipe by name.

    Args:
        name: The file's name without ``.yaml``.
        folder: The user's recipes; looked into first.

    Raises:
        RecipeUnknownError: There is no such recipe; lists those there are.
        RecipeInvalidError: The file is no valid recipe.
    """
    path = _files(folder).get(name)
    if path is None:
        available = sorted(_files(folder))
        message = f"There is no recipe {name!r}; there are: {', '.join(available)}."
        raise RecipeUnknownError(message, {"recipe": ascii(name), "available": available})
    return _read(path)


def list_recipes(folder: Path | None = None) -> tuple[Recipe, ...]:
    """Return all recipes, sorted by name.

    Raises:
        RecipeInvalidError: One of the files is no valid recipe.
    """
    return tuple(_read(path) for _, path in sorted(_files(folder).items()))


def _files(folder: Path | None) -> dict[str, Path]:
    """Recipe files by name. What is asked for is looked up here, never made into a path."""
    folders = [SHIPPED] if folder is None else [SHIPPED, folder]
    found = (path for each in folders for path in sorted(each.glob("*.yaml")))
    return {path.stem: path for path in found if _NAME.fullmatch(path.stem)}


def _read(path: Path) -> Recipe:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise RecipeInvalidError(f"{path.name} cannot be read: {error}", {"recipe": path.stem}) from error
    if not isinstance(raw, dict):
        raise RecipeInvalidError(f"{path.name} is not a mapping of options.", {"recipe": path.stem})
    recipe = Recipe.parse({"name": path.stem, **raw})
    if recipe.name != path.stem:
        message = f"{path.name} calls itself {recipe.name!r}: file and recipe need the same name."
        raise RecipeInvalidError(message, {"recipe": path.stem})
    return recipe
