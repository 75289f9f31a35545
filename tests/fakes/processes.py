"""Servers as child processes of a test run: free ports, readiness, and an end that leaves nothing behind."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path


def free_ports(count: int) -> list[int]:
    """Return that many different free TCP ports of 127.0.0.1, each below the ephemeral range's end."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def wait_until(
    predicate: Callable[[], bool], timeout_seconds: float, description: str, interval_seconds: float = 0.05
) -> None:
    """Return as soon as the predicate holds; fail with the description when it does not in time."""
    deadline = time.monotonic() + timeout_seconds
    while not predicate():
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {timeout_seconds} s: {description}")
        time.sleep(interval_seconds)


def start_server(
    argv: Sequence[str | Path], log: Path, cwd: Path, user_id: int | None = None
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, which the kernel kills if the test run dies.

    Args:
        argv: Absolute command.
        log: Where its output goes.
        cwd: Its working directory.
        user_id: Run it as this user and group; ``None`` keeps ours.
    """
    command = [*_as_user(user_id), *map(str, argv)]
    with log.open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=cwd, start_new_session=True
        )


def run_as(argv: Sequence[str | Path], cwd: Path, user_id: int | None = None) -> None:
    """Run a command to its end, as another user if asked; its output shows in the error when it fails."""
    command = [*_as_user(user_id), *map(str, argv)]
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"


def stop_server(
    server: subprocess.Popen[bytes], signal_number: int = signal.SIGTERM, grace_seconds: float = 10
) -> None:
    """End a server that we started, and whatever is left of its group."""
    if server.poll() is None:
        server.send_signal(signal_number)
        with suppress(subprocess.TimeoutExpired):
            server.wait(grace_seconds)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def _as_user(user_id: int | None) -> list[str]:
    """The front of a command that drops to a user and dies with its parent, where util-linux is there."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        assert user_id is None, "setpriv (util-linux) is needed to start a server as another user"
        return []
    user = [] if user_id is None else [f"--reuid={user_id}", f"--regid={user_id}", "--clear-groups"]
    return [setpriv, *user, "--pdeathsig", "KILL", "--"]
