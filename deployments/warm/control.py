"""What people do with fork servers: list them, start one, stop them."""

import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from deployments.warm.launch import connect_or_start
from deployments.warm.place import ROOT, Lines, NoWarmStartError, Place, directory, private

STOP_SECONDS = 10.0


@dataclass(frozen=True)
class RunningServer:
    """A fork server of this project, as its lock file tells.

    Attributes:
        state: ``starting`` while it imports, then ``ready``.
        since: Seconds since the epoch.
    """

    pid: int
    state: str
    since: float
    home: str
    log: str

    def runs(self) -> list[str]:
        """Return the ids of the flow runs that it has forked and that are under way."""
        try:
            keepers = psutil.Process(self.pid).children()
        except psutil.NoSuchProcess:
            return []
        return [command[4] for keeper in keepers if len(command := _command(keeper)) > 4 and command[3] == "keep"]


def running_servers() -> Iterator[RunningServer]:
    """Give the fork servers of this project and user, for whatever settings."""
    for lock in sorted(Path(directory(os.environ)).glob("*.lock")):
        try:
            note = _held_note(lock)
        except (OSError, json.JSONDecodeError):
            continue
        if note and note["root"] == ROOT:
            yield note_of_server(note)


def note_of_server(note: Mapping[str, Any]) -> RunningServer:
    """Return what a server's note says."""
    return RunningServer(note["pid"], note["state"], note["since"], note["home"], note["log"])


def status() -> int:
    """Print the running servers; exit status 3 when there are none, as service tools have it."""
    servers = list(running_servers())
    for server in servers:
        age = time.time() - server.since
        print(f"{server.state}  pid {server.pid}  for {age:.0f} s  home {server.home or '-'}  log {server.log}")
        for run in server.runs():
            print(f"  flow run {run}")
    if not servers:
        print("No fork server runs. The first flow run starts it.")
        return 3
    return 0


def start() -> int:
    """Start the server for this environment, as a worker with the same settings would, and wait until it is ready."""
    from prefect.settings import get_current_settings  # 2 s, which the other commands need not wait for

    os.environ.update(get_current_settings().to_environment_variables(exclude_unset=True))
    place = Place(os.environ)
    try:
        private(place.directory)
        connection = connect_or_start(place)
        answer = Lines(connection).read()
    except (NoWarmStartError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    finally_ready = answer == b"ready"
    connection.close()
    if not finally_ready:
        print(f"The server ended while it started; see {place.log}", file=sys.stderr)
        return 1
    return status()


def stop() -> int:
    """End the servers of this project; exit status 1 when one does not end."""
    servers = list(running_servers())
    for server in servers:
        print(f"Stopping pid {server.pid}; {len(server.runs())} runs go on by themselves.")
        os.kill(server.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while left := [server for server in servers if psutil.pid_exists(server.pid)]:
        if time.monotonic() > deadline:
            print(f"Still there: {', '.join(str(server.pid) for server in left)}", file=sys.stderr)
            return 1
        time.sleep(0.05)
    return 0


def _held_note(lock: Path) -> dict[str, Any] | None:
    """Return what a living server wrote into its lock file; None when nobody holds the lock."""
    with lock.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note: dict[str, Any] = json.loads(file.read())
            return note
        return None


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []
