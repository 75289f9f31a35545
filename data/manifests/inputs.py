"""What a row takes in, as a job does: a source that is there, or else a prompt, a script, or both."""

import os
import posixpath
import stat
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from data.domain.errors import (
    DataError,
    ManifestInputError,
    SourceForbiddenError,
    SourceInvalidError,
    SourceNotFoundError,
)
from data.domain.jobs import MAX_PROMPT_CHARACTERS, MAX_SCRIPT_CHARACTERS
from data.domain.recipes import Recipe
from data.domain.sources import UPLOAD_SCHEME, SourceKind
from data.manifests import cells
from data.manifests.cells import Flaw, check_column
from data.manifests.columns import INPUTS
from data.manifests.rules import ManifestRules

_CHECKS: dict[str, Callable[[object], str]] = {
    "source": cells.text,
    "prompt": partial(cells.long_text, max_characters=MAX_PROMPT_CHARACTERS),
    "script": partial(cells.long_text, max_characters=MAX_SCRIPT_CHARACTERS),
}


def check_inputs(
    columns: Mapping[str, Sequence[object]], size: int, rules: ManifestRules, flaws: list[Flaw]
) -> dict[str, list[str]]:
    """Return sources, prompts and scripts as they are kept: local sources absolute, text empty where there is none.

    Args:
        columns: The cells of those columns that there are.
        size: Number of rows.
        rules: What is taken.
        flaws: Where to note what is wrong.
    """
    kept = {
        name: check_column(name, columns[name], _CHECKS[name], "", flaws) if name in columns else [""] * size
        for name in INPUTS
    }
    wrong = {flaw.place for flaw in flaws if flaw.column in INPUTS}
    uploads: dict[int, str] = {}
    for place, given in enumerate(zip(*kept.values(), strict=True)):
        try:
            if place not in wrong:
                source = _checked_input(given, rules)
                kept["source"][place] = source
                if source.startswith(UPLOAD_SCHEME):
                    uploads[place] = source.removeprefix(UPLOAD_SCHEME)
        except DataError as error:
            column = next((name for name, text in zip(INPUTS, given, strict=True) if text), "source")
            flaws.append(Flaw(place, column, error, kept[column][place]))
    flaws.extend(_missing_uploads(uploads, rules))
    return kept


def check_recipe(recipe: Recipe, rules: ManifestRules) -> None:
    """Do nothing if everything that a recipe's edits work with may be taken, and is there as far as one sees from here.

    And if copies may be put where it wants them.

    Raises:
        DataError: Something may not, or is not; the facts name the recipe's field.
    """
    rules.targets.check(recipe.publish.targets)
    for named in recipe.edit.inputs:
        try:
            if rules.sources.check(named.source) is SourceKind.LOCAL and rules.check_files:
                _check_file(named.source)
            if named.source.startswith(UPLOAD_SCHEME):
                _check_upload(named.source.removeprefix(UPLOAD_SCHEME), rules)
        except DataError as error:
            raise type(error)(f"{named.field}: {error.message}", {**error.facts, "field": named.field}) from error


def _check_upload(upload: str, rules: ManifestRules) -> None:
    if rules.find_uploads is not None and not rules.find_uploads(frozenset({upload})):
        raise SourceNotFoundError(f"There is no complete upload {upload!r}.", {"upload": upload})


def _checked_input(given: tuple[str, ...], rules: ManifestRules) -> str:
    """Return the source of a row, if it has one."""
    source, *words = given
    if bool(source) == any(words):
        named = [name for name, text in zip(INPUTS, given, strict=True) if text]
        found = f"has {' and '.join(named)}" if named else "has none"
        raise ManifestInputError(f"A row needs either a source, or a prompt or script; this one {found}.")
    return _checked_source(source, rules) if source else ""


def _checked_source(source: str, rules: ManifestRules) -> str:
    if "://" not in source and not source.startswith(("/", UPLOAD_SCHEME)):
        source = _from_folder(source, rules)
    kind = rules.sources.check(source)
    if kind is SourceKind.LOCAL and rules.check_files:
        _check_file(source)
    return source


def _from_folder(source: str, rules: ManifestRules) -> str:
    """A relative path, from where the manifest lies. It may climb: where it ends up is checked like any other path."""
    if "\\" in source and "/" not in source:
        raise SourceInvalidError(f"{source!r} is a path of Windows; a path has `/` between its folders here.")
    if rules.folder is None:
        raise SourceInvalidError(
            "A relative path is taken from where the manifest lies, and this one was handed in: write it whole."
        )
    return posixpath.normpath(f"{rules.folder}/{source}")


def _check_file(source: str) -> None:
    try:
        mode = os.stat(source).st_mode  # noqa: PTH116 - a third of the time of Path.stat, a million times over
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceNotFoundError(f"There is no file at {source}.") from error
    except OSError as error:
        raise SourceForbiddenError(f"{source} cannot be read: {error.strerror}.") from error
    if not stat.S_ISREG(mode):
        raise SourceForbiddenError(f"{source} is not a regular file.")


def _missing_uploads(uploads: Mapping[int, str], rules: ManifestRules) -> list[Flaw]:
    if not uploads or rules.find_uploads is None:
        return []
    complete = rules.find_uploads(frozenset(uploads.values()))
    return [
        Flaw(place, "source", SourceNotFoundError(f"There is no complete upload {upload!r}."), UPLOAD_SCHEME + upload)
        for place, upload in uploads.items()
        if upload not in complete
    ]
