"""Every row of a manifest, checked before any work, a chunk at a time: what can be fed, and what is wrong elsewhere."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
import pandas

from data.domain.errors import ManifestDuplicateError
from data.manifests import cells
from data.manifests.cells import Flaw, check_column
from data.manifests.columns import INPUTS, Columns, read_columns
from data.manifests.inputs import check_inputs, check_recipe
from data.manifests.raw import CHUNK_ROWS, Manifest, RawChunk
from data.manifests.rules import ManifestRules, RowRecipes
from data.manifests.seen import SeenIds

T = TypeVar("T")
_Error = tuple[int, str, str, str, str]

ROW_COLUMNS = (
    "row", "custom_id", "source", "prompt", "script", "recipe", "overrides", "priority", "not_before", "title",
    "metadata",
)  # fmt: skip
ERROR_COLUMNS = ("row", "column", "code", "error", "value")
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class CheckedChunk:
    """Some consecutive rows of a manifest, checked."""

    rows: pandas.DataFrame
    """The valid ones, by :data:`ROW_COLUMNS`: text is never missing, ``overrides`` and ``metadata`` are mappings that
    rows may share, ``not_before`` is an aware UTC datetime or ``None``."""
    errors: pandas.DataFrame
    """What is wrong, by :data:`ERROR_COLUMNS`; several entries for some rows. Row 0 stands for a whole column."""
    rejected: pandas.DataFrame
    """The rows that are not valid, by the manifest's own columns, as they stand there; the index is the row."""
    lines: dict[int, str] = field(default_factory=dict)
    """The beginning of the text of rows that are no rows at all, by row."""

    @property
    def refuses_manifest(self) -> bool:
        """Whether a whole column is wrong: then no row counts, whatever is done about invalid rows."""
        return bool((self.errors["row"] == 0).any())


def check_manifest(manifest: Manifest, rules: ManifestRules, chunk_rows: int = CHUNK_ROWS) -> Iterator[CheckedChunk]:
    """Check every row.

    What is wrong with columns comes in the first chunk. Nothing is held but a chunk, and 16 bytes of each row's id.

    Args:
        manifest: From :func:`~data.manifests.reading.open_manifest`.
        rules: What rows may ask for.
        chunk_rows: Most rows at a time.

    Raises:
        ManifestCorruptError: The rest of the file cannot be read; nothing of the manifest counts then.
    """
    columns = read_columns(manifest.columns)
    checker = _Checker(rules, columns)
    problems = [(0, each.column, each.error.code, each.error.message, "") for each in columns.problems]
    for raw in manifest.chunks(chunk_rows):
        yield checker.check(raw, problems)
        problems = []


class _Checker:
    """Checks the chunks of one manifest, and remembers the ids and recipes that it has met."""

    def __init__(self, rules: ManifestRules, columns: Columns) -> None:
        self._rules = rules
        self._columns = columns
        self._recipes = RowRecipes(rules.resolve_recipe, lambda recipe: check_recipe(recipe, rules))
        self._seen = SeenIds()

    def check(self, raw: RawChunk, problems: list[_Error]) -> CheckedChunk:
        """Check a chunk; ``problems`` are those of columns, to be told with it."""
        flaws: list[Flaw] = []
        values = self._values(raw, flaws)
        flaws = [flaw for flaw in flaws if flaw.place not in raw.malformed]
        flaws += [Flaw(place, "", error, raw.lines.get(place, "")) for place, error in raw.malformed.items()]
        flaws.sort(key=lambda flaw: flaw.place)
        wrong = sorted({flaw.place for flaw in flaws})
        rejected = pandas.DataFrame(
            {name: [column[place] for place in wrong] for name, column in raw.cells.items()},
            index=[raw.first_row + place for place in wrong],
            dtype=object,
        )
        rows = pandas.DataFrame(values, dtype=object).drop(index=wrong).astype({"row": "int64"})
        errors = pandas.DataFrame([*problems, *(_error(flaw, raw.first_row) for flaw in flaws)], columns=ERROR_COLUMNS)
        lines = {raw.first_row + place: line for place, line in raw.lines.items()}
        return CheckedChunk(rows.reset_index(drop=True), errors.astype({"row": "int64"}), rejected, lines)

    def _values(self, raw: RawChunk, flaws: list[Flaw]) -> dict[str, Sequence[object]]:
        """Everything that the rows come to, by :data:`ROW_COLUMNS`; wrong values are noted and stand as defaults."""
        inputs = {name: raw.cells[written] for name, written in self._columns.known.items() if name in INPUTS}
        recipes = [name or self._rules.recipe for name in self._column(raw, "recipe", cells.text, "", flaws)]
        priorities = self._column(raw, "priority", cells.priority, None, flaws)
        return {
            "row": range(raw.first_row, raw.first_row + raw.size),
            "custom_id": self._ids(raw, flaws),
            **check_inputs(inputs, raw.size, self._rules, flaws),
            "recipe": recipes,
            "overrides": self._overrides(raw, recipes, flaws),
            "priority": [priority or self._rules.priority for priority in priorities],
            "not_before": self._column(raw, "not_before", cells.not_before, None, flaws),
            "title": self._column(raw, "title", cells.title, "", flaws),
            "metadata": self._metadata(raw, flaws),
        }

    def _column(self, raw: RawChunk, name: str, check: Callable[[Any], T], blank: T, flaws: list[Flaw]) -> list[T]:
        """Check a column, if there is one."""
        written = self._columns.known.get(name)
        return [blank] * raw.size if written is None else check_column(name, raw.cells[written], check, blank, flaws)

    def _ids(self, raw: RawChunk, flaws: list[Flaw]) -> list[str]:
        given = self._column(raw, "custom_id", cells.custom_id, "", flaws)
        ids = [each or f"row-{row}" for row, each in enumerate(given, raw.first_row)]
        for place, first_row in enumerate(self._seen.first_rows(ids, raw.first_row)):
            if first_row != raw.first_row + place:
                error = ManifestDuplicateError(f"Row {first_row} has the custom_id {ids[place]!r} already.")
                flaws.append(Flaw(place, "custom_id", error, ids[place]))
        return ids

    def _overrides(self, raw: RawChunk, recipes: Sequence[str], flaws: list[Flaw]) -> list[dict[str, Any]]:
        """What the rows change of their recipes, each recipe being checked even where nothing is changed."""
        columns = {name: raw.cells[written] for name, written in self._columns.overrides.items()}
        found = []
        for place, recipe in enumerate(recipes):
            given = {name: values[place] for name, values in columns.items() if not cells.is_blank(values[place])}
            row = self._recipes.find(recipe, tuple((name, _hashable(value)) for name, value in given.items()))
            flaws.extend(Flaw(place, column, error, given.get(column, recipe)) for column, error in row.problems)
            found.append(row.overrides)
        return found

    def _metadata(self, raw: RawChunk, flaws: list[Flaw]) -> list[dict[str, Any]]:
        whole = raw.cells[self._columns.known["metadata"]] if "metadata" in self._columns.known else [None] * raw.size
        keys = {key: raw.cells[written] for key, written in self._columns.metadata.items()}
        rows = [(cell, {key: values[place] for key, values in keys.items()}) for place, cell in enumerate(whole)]
        return check_column("metadata", rows, lambda row: cells.metadata(*row), {}, flaws)


def _hashable(value: object) -> object:
    """Lists and mappings as the text that a cell of CSV would have."""
    return orjson.dumps(value, default=str).decode() if isinstance(value, list | dict) else value


def _error(flaw: Flaw, first_row: int) -> _Error:
    shown = str(flaw.value)[:_SHOWN_CHARACTERS]
    return (first_row + flaw.place, flaw.column, flaw.error.code, flaw.error.message, shown)
