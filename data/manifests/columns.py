"""What the columns of a manifest mean: which are known, which carry overrides or metadata, and which mean nothing."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from data.domain.errors import ManifestColumnsError, ManifestColumnUnknownError, ManifestError
from data.domain.recipes import override_names

INPUTS = ("source", "prompt", "script")
"""Each row has a source, or else a prompt, a script, or both: what is shown, and what is said, word by word."""
KNOWN = (*INPUTS, "custom_id", "recipe", "priority", "not_before", "title", "metadata")
METADATA_PREFIX = "metadata."
ERROR_COLUMNS = ("error_row", "error_column", "error_code", "error")
"""Those that a rejects file has more than its manifest. They are ignored, so that it can be put right and handed in."""
LINE_COLUMN = "error_line"
"""Where a rejects file in JSONL keeps a line that was no JSON object; ignored likewise."""
MAX_COLUMNS = 1000


@dataclass(frozen=True)
class ColumnProblem:
    """What is wrong with one column, in every row."""

    column: str
    error: ManifestError


@dataclass(frozen=True)
class Columns:
    """The columns of one manifest by what they mean, each with its name as it stands in the file."""

    known: dict[str, str]
    overrides: dict[str, str]
    """By dotted name, parents before their children: the more precise one wins."""
    metadata: dict[str, str]
    """By key."""
    problems: tuple[ColumnProblem, ...] = ()


def is_known(name: str) -> bool:
    """Say whether a column means something."""
    name = name.strip()
    is_metadata = name.startswith(METADATA_PREFIX) and name != METADATA_PREFIX
    return name in KNOWN or name in (*ERROR_COLUMNS, LINE_COLUMN) or is_metadata or name in override_names()


def read_columns(names: Iterable[str]) -> Columns:
    """Tell what the columns mean.

    Args:
        names: As they stand in the file, each once.
    """
    by_name = {name.strip(): name for name in names}
    unknown = [ColumnProblem(written, _unknown(name)) for name, written in by_name.items() if not is_known(name)]
    return Columns(
        known={name: by_name[name] for name in KNOWN if name in by_name},
        overrides={name: by_name[name] for name in override_names() if name in by_name},
        metadata={
            name.removeprefix(METADATA_PREFIX): written
            for name, written in by_name.items()
            if name.startswith(METADATA_PREFIX) and is_known(name)
        },
        problems=(*_missing(by_name), *unknown),
    )


def refuse_repeated(names: Iterable[str], file_name: str) -> tuple[str, ...]:
    """Return the names if each stands there once.

    Raises:
        ManifestColumnsError: One stands there twice, or there are far too many.
    """
    names = tuple(names)
    if len(names) > MAX_COLUMNS:
        raise ManifestColumnsError(f"{file_name} has more than {MAX_COLUMNS} columns: is it a manifest?")
    stripped = [name.strip() for name in names]
    repeated = sorted({name for name in stripped if stripped.count(name) > 1 and name})
    if repeated:
        raise ManifestColumnsError(
            f"{file_name} has columns twice: {', '.join(repeated)}. Remove or rename one of each.",
            {"columns": repeated},
        )
    return names


def _missing(by_name: dict[str, str]) -> list[ColumnProblem]:
    if any(name in by_name for name in INPUTS):
        return []
    looks_like_data = next((name for name in by_name if "/" in name), None)
    hint = f" The first line is a header; {looks_like_data!r} looks like a row." if looks_like_data else ""
    return [ColumnProblem("source", ManifestColumnsError(f"There is no column `source`, `prompt` or `script`.{hint}"))]


def _unknown(name: str) -> ManifestColumnUnknownError:
    if not name:
        return ManifestColumnUnknownError("A column has no name: name it, or remove it.")
    meant = _meant(name)
    hint = f"did you mean `{meant}`?" if meant else f"for data of your own, call it `{METADATA_PREFIX}{name}`."
    return ManifestColumnUnknownError(f"There is no column {name!r}; {hint}", {"column": name})


def _meant(name: str) -> str | None:
    """The known column that a name is most like; the leaf of a dotted one (``crf``) will do."""
    names = {each.lower(): each for each in (*KNOWN, *override_names())}
    folded = name.lower().replace(" ", "_").replace("-", "_")
    close = difflib.get_close_matches(folded, names, n=1, cutoff=0.75)
    if close:
        return names[close[0]]
    leaves = [each for each in names.values() if each.rpartition(".")[2] == folded]
    return leaves[0] if len(leaves) == 1 else None
