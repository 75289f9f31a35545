"""What a manifest is checked against, and what a row comes to by it."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.domain.batches import Priority
from data.domain.errors import DataError, RecipeInvalidError, RecipeUnknownError
from data.domain.recipes import Recipe, value_at
from data.domain.sources import SourceRules
from data.domain.targets import TargetRules
from data.manifests import cells

_KEPT_COMBINATIONS = 20_000
Override = tuple[str, Any]


@dataclass(frozen=True)
class ManifestRules:
    """What rows may ask for."""

    resolve_recipe: Callable[[str], Recipe]
    """Returns a recipe by name; raises RecipeUnknownError or RecipeInvalidError."""
    sources: SourceRules
    targets: TargetRules = field(default_factory=TargetRules)
    """Where recipes may have copies put."""
    folder: Path | None = None
    """Where the manifest lies, if it is a local file: relative sources are taken from there."""
    recipe: str = "default"
    """For rows that name none."""
    priority: Priority = "default"
    """For rows that name none."""
    check_files: bool = True
    """Whether local sources have to be there, as seen from this machine."""
    find_uploads: Callable[[frozenset[str]], frozenset[str]] | None = None
    """Returns those of some upload ids that are complete; ``None``: uploads are not looked up."""


@dataclass(frozen=True)
class RowRecipe:
    """What a recipe's name and overrides come to: for all rows that say the same."""

    overrides: dict[str, Any]
    """By dotted name, as plain JSON values of the recipe's own types (``"30"`` in CSV is ``30.0`` here). Shared between
    rows: not to be changed."""
    problems: tuple[tuple[str, DataError], ...] = ()
    """Column (a dotted name, or ``recipe``) and what is wrong with it."""


class RowRecipes:
    """Recipes with overrides as rows ask for them; each combination is validated once, however many rows have it.

    Args:
        resolve: Returns a recipe by name.
        check: Raises a DataError where something that a recipe names may not be taken.
    """

    def __init__(self, resolve: Callable[[str], Recipe], check: Callable[[Recipe], None] = lambda recipe: None) -> None:
        self._resolve = resolve
        self._check = check
        self._recipes: dict[str, Recipe | DataError] = {}
        self._known: OrderedDict[tuple[str, tuple[Override, ...]], RowRecipe] = OrderedDict()

    def find(self, name: str, overrides: tuple[Override, ...]) -> RowRecipe:
        """Return what a row's recipe and overrides (hashable values, parents before their children) come to."""
        key = (name, overrides)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._validated(name, overrides)
            if len(self._known) > _KEPT_COMBINATIONS:
                self._known.popitem(last=False)
        return known

    def _validated(self, name: str, overrides: tuple[Override, ...]) -> RowRecipe:
        recipe = self._recipe(name)
        if isinstance(recipe, DataError):
            return RowRecipe({}, (("recipe", recipe),))
        if not overrides:
            return RowRecipe({}, tuple(self._refused(recipe, {})))
        values, problems = _read_values(overrides)
        if not problems:
            try:
                effective = recipe.with_overrides(values)
                kept = {name: value_at(effective, name) for name in values}
                return RowRecipe(kept, tuple(self._refused(effective, values)))
            except RecipeInvalidError as error:
                problems = _blamed(recipe, values) or [("recipe", error)]
        return RowRecipe({}, tuple(problems))

    def _refused(self, recipe: Recipe, values: dict[str, Any]) -> list[tuple[str, DataError]]:
        """Return what is wrong with something that the recipe names, blamed on the override that names it."""
        try:
            self._check(recipe)
        except DataError as error:
            field = f"{error.facts.get('field', '')}."
            return [(next((name for name in values if field.startswith(f"{name}.")), "recipe"), error)]
        return []

    def _recipe(self, name: str) -> Recipe | DataError:
        if name not in self._recipes:
            try:
                self._recipes[name] = self._resolve(name)
            except (RecipeUnknownError, RecipeInvalidError) as error:
                self._recipes[name] = error
        return self._recipes[name]


def _read_values(overrides: tuple[Override, ...]) -> tuple[dict[str, Any], list[tuple[str, DataError]]]:
    values, problems = {}, []
    for name, given in overrides:
        try:
            values[name] = cells.override(given)
        except DataError as error:
            problems.append((name, error))
    return values, problems


def _blamed(recipe: Recipe, values: dict[str, Any]) -> list[tuple[str, DataError]]:
    """Try each override alone, to say which columns are at fault."""
    problems: list[tuple[str, DataError]] = []
    for name, value in values.items():
        try:
            recipe.with_overrides({name: value})
        except RecipeInvalidError as error:
            problems.append((name, error))
    return problems
