"""``python -m tasks.models``: fetch, list and check the weights of local models."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from data.domain.errors import DailiesError
from data.settings import get_settings
from tasks.models.store import ModelStatus, ModelStore

_COLOURS = {"verified": "green", "unverified": "yellow", "damaged": "red", "missing": "dim"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0 when every model asked for is in order."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("tasks.models").setLevel(logging.INFO)
    store = ModelStore(arguments.directory or get_settings().models.directory)
    try:
        return _run(arguments, store)
    except DailiesError as error:
        print(error, file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace, store: ModelStore) -> int:
    if arguments.command == "pull":
        for name in arguments.names or store.names:
            print(f"{name}: {store.pull(name)}")
        return 0
    if arguments.command == "verify":
        statuses = store.verify(arguments.names)
        _print_table(statuses, store.directory)
        return 0 if all(status.state == "verified" for status in statuses) else 1
    _print_table(store.status(), store.directory)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tasks.models", description=__doc__)
    parser.add_argument(
        "--directory", type=Path, help="the model store (default: the setting DAILIES_MODELS__DIRECTORY)"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    pull = commands.add_parser("pull", help="fetch models that are not there yet, checked by hash")
    pull.add_argument("names", nargs="*", metavar="NAME", help="which models (default: all)")
    commands.add_parser("status", help="list all models and how they stand")
    check = commands.add_parser("verify", help="hash the files again; exit status 1 when one is missing or damaged")
    check.add_argument("names", nargs="*", metavar="NAME", help="which models (default: all)")
    return parser


def _print_table(statuses: Sequence[ModelStatus], directory: Path) -> None:
    table = Table(title=f"Models in {directory}", title_justify="left")
    for heading in ("name", "what it does", "licence", "size", "state"):
        table.add_column(heading, justify="right" if heading == "size" else "left")
    for status in statuses:
        colour = _COLOURS[status.state]
        size = f"{status.size_bytes / 1e6:.1f} MB"
        table.add_row(status.name, status.about, status.licence, size, f"[{colour}]{status.state}[/]")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
