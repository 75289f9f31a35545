"""What the command line shows: tables and bars for people, JSON for programs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

STATE_STYLES = {
    "succeeded": "green",
    "failed": "red",
    "cancelled": "yellow",
    "paused": "magenta",
    "pausing": "magenta",
    "running": "cyan",
    "completed": "green",
    "stopped": "red",
    "rejected": "red",
    "skipped": "bright_black",
    "planned": "yellow",
    "delivered": "green",
    "abandoned": "yellow",
}

Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print the API's own answer, for programs.")]

console = Console()


def say(line: str | Text) -> None:
    """Print a line as it is."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def complain(line: str) -> None:
    """Print a line to standard error."""
    Console(stderr=True).print(line, style="red", markup=False, highlight=False, soft_wrap=True)


def print_json(document: Any) -> None:
    """Print an answer of the API, indented, in full."""
    say(json.dumps(document, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Print rows under their headings; nothing is cut off when the output is not a terminal."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="ellipsis" if console.is_terminal else "fold", no_wrap=True)
    for row in rows:
        table.add_row(*map(_plain, row))
    Console(width=None if console.is_terminal else 400).print(table)


def print_facts(facts: Mapping[str, str | Text]) -> None:
    """Print names and values, one a line."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, _plain(value))
    Console(width=None if console.is_terminal else 400).print(table)


def _plain(cell: str | Text) -> Text:
    """Keep rich from reading markup in what is somebody's text."""
    return Text(cell) if isinstance(cell, str) else cell


def state_text(state: str, reason: str | None = None) -> Text:
    """Return a state with its reason, in the state's colour."""
    return Text(f"{state} ({reason})" if reason else state, style=STATE_STYLES.get(state, ""))


def local_time(at: str | None) -> str:
    """Return a time of the API as people here read it, with their zone."""
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z") if at else ""


def local_minute(at: str | None) -> str:
    """Return a time that is only about right: without seconds."""
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M %Z") if at else ""
