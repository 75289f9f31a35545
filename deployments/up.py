"""``python -m deployments.up`` (``make up``): the local stack in the foreground until Ctrl-C."""

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from rich.console import Console
from rich.table import Table

from data.domain.errors import DailiesError
from data.settings import Settings
from deployments import in_memory
from deployments.errors import StackError
from deployments.note import stop_running
from deployments.stack import Stack

PREFECT_PORT = 4200
CHECK_SECONDS = 0.5
MINIMAL_WARNING = (
    "[yellow]Minimal mode: SQLite for Prefect and the catalogue. It locks up under more than a handful of runs; "
    "without --minimal an embedded Postgres is used.[/yellow]"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out the command line and return its exit status."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    console = Console()
    if options.stop:
        return _stop(options.home, console)
    stop = stop_on_signals()
    try:
        with _home(options) as home:
            _serve(home, options, stop, console)
    except KeyboardInterrupt:
        console.print("Stopped. Nothing was kept." if options.in_memory else "Stopped.")
        return 0
    except DailiesError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False)
        return 1
    return 0


def _home(options: argparse.Namespace) -> AbstractContextManager[Path]:
    return in_memory.home_in_memory(Settings()) if options.in_memory else nullcontext(options.home)


def _serve(home: Path, options: argparse.Namespace, stop: threading.Event, console: Console) -> None:
    """Run the stack until somebody asks for its end."""
    warnings = [MINIMAL_WARNING] * options.minimal + [in_memory.WARNING] * options.in_memory
    for warning in warnings:
        console.print(warning)
    stack = Stack(
        home,
        api_port=options.api_port,
        prefect_port=options.prefect_port,
        minimal=options.minimal,
        environment=in_memory.environment() if options.in_memory else None,
        report=lambda sentence: console.print(sentence, markup=False, highlight=False),
    )
    with stack:
        console.print(summary(stack))
        for warning in warnings:
            console.print(warning)
        console.print("Running. Stop with Ctrl-C.", highlight=False)
        while not stop.wait(CHECK_SECONDS):
            stack.revive()


def _stop(home: Path, console: Console) -> int:
    try:
        was_running = stop_running(home.expanduser().resolve())
    except StackError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False)
        return 1
    console.print("Stopped." if was_running else f"No stack runs in {home}.", markup=False, highlight=False)
    return 0


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM, SIGHUP and Ctrl-C set.

    They also interrupt what is under way, as Ctrl-C does by default: a start is given up. Later ones are ignored: to
    stop cleanly is what was asked for, and it ends in time by itself.
    """
    stop = threading.Event()

    def handle(_number: int, _frame: object) -> None:
        if not stop.is_set():
            stop.set()
            raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, handle)
    return stop


def summary(stack: Stack) -> Table:
    """Return where everything is, as a table."""
    table = Table(title="Dailies is up", title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    rows = {
        "REST API": f"{stack.api_url}/api/v1",
        "OpenAPI": f"{stack.api_url}/api/v1/openapi.json",
        "Prefect UI": stack.prefect_ui_url,
        "Prefect's CLI": f"export PREFECT_API_URL={stack.prefect_api_url}",
        "State": str(stack.home),
        "Logs": str(stack.home / "log"),
        "Sources may lie in": ", ".join(map(str, Settings(home=stack.home).source_roots)),
    }
    for name, value in rows.items():
        table.add_row(f"[bold]{name}[/bold]", value)
    return table


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    settings = Settings()
    parser = argparse.ArgumentParser(prog="python -m deployments.up", description=__doc__)
    parser.add_argument("--home", type=Path, default=settings.home_path, help="state directory (default: %(default)s)")
    parser.add_argument("--api-port", type=int, default=settings.api.port, help="0: a free one (default: %(default)s)")
    parser.add_argument("--prefect-port", type=int, default=PREFECT_PORT, help="0: a free one (default: %(default)s)")
    parser.add_argument("--minimal", action="store_true", help="SQLite instead of the embedded Postgres")
    parser.add_argument("--stop", action="store_true", help="stop the stack of the state directory instead")
    parser.add_argument(
        "--in-memory", action="store_true", help="a demonstration: state in memory, in no --home, and gone at the end"
    )
    options = parser.parse_args(arguments)
    if options.in_memory and (options.stop or options.home != settings.home_path):
        parser.error("--in-memory has a state directory of its own, and ends with Ctrl-C: no --home, no --stop")
    return options


if __name__ == "__main__":
    sys.exit(main())
