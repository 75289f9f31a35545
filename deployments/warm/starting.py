"""Start the fork server: done by the first launcher that misses it, or by a person.

The lock and the listening socket are made by whoever starts the server, and inherited by it: there is never a moment in
which two servers start, or in which one runs and nobody can reach it.
"""

# ruff: noqa: PTH101, PTH108, PTH110, PTH116, PTH119, PTH208

import fcntl
import os
import sys
import time
from _socket import AF_UNIX, SOCK_STREAM, socket
from collections.abc import Mapping

from deployments.warm.place import PER_RUN, ROOT, NoWarmStartError, Place, read

MOST_SERVERS = 4
FAILED_SECONDS = 60.0
BACKLOG = 1024
IDLE_SECONDS = 900.0
# Room in the server's environment block, in which a forked run writes its own for `ps` (see title.py).
ROOM = "_WARM_ROOM"


def start_server(place: Place) -> bool:
    """Start the server unless somebody else is doing so; it listens, if not yet answers, when this returns True.

    Raises:
        NoWarmStartError: It failed a short while ago, or there are too many.
    """
    if failed_lately(place):
        raise NoWarmStartError(read(place.failed))
    lock = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The last server removed the file that it had locked: only the lock on the file of that name counts.
        if os.fstat(lock).st_ino != os.stat(place.lock).st_ino:
            raise BlockingIOError
    except (BlockingIOError, FileNotFoundError):
        os.close(lock)
        return False
    try:
        check_number(place)
        listener = listen(place)
        spawn_detached(place, lock, listener.fileno())
        listener.close()
    finally:
        os.close(lock)
    return True


def check_number(place: Place) -> None:
    """Refuse one server too many for this project, whatever makes runs differ so much.

    Raises:
        NoWarmStartError: There are enough.
    """
    others = [lock for lock in locks_of_project(place) if lock != place.lock and is_held(lock)]
    if len(others) >= MOST_SERVERS:
        raise NoWarmStartError(f"{len(others)} fork servers run for other settings already")


def locks_of_project(place: Place) -> list[str]:
    """Return the lock files of all servers of this project, running or not."""
    project = os.path.basename(place.lock).partition("-")[0]
    names = os.listdir(place.directory)
    return [f"{place.directory}/{name}" for name in names if name.startswith(project) and name.endswith(".lock")]


def is_held(lock: str) -> bool:
    """Say whether a living server holds the lock; remove what a killed one left."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        for path in (lock.removesuffix(".lock") + ".sock", lock):
            if os.path.exists(path):
                os.unlink(path)
        return False
    finally:
        os.close(descriptor)


def failed_lately(place: Place) -> bool:
    """Say whether the server did not come up a short while ago: it is not tried again at every run."""
    try:
        return time.time() - os.stat(place.failed).st_mtime < FAILED_SECONDS
    except OSError:
        return False


def listen(place: Place) -> socket:
    """Return the listening socket; connections wait in it until the server has imported everything."""
    if os.path.exists(place.socket):  # of a server that was killed
        os.unlink(place.socket)
    listener = socket(AF_UNIX, SOCK_STREAM)
    listener.bind(place.socket)
    os.chmod(place.socket, 0o600)
    listener.listen(BACKLOG)
    return listener


def spawn_detached(place: Place, lock: int, listener: int) -> None:
    """Start the server in a session of its own, as nobody's child, with the lock and the listening socket."""
    if child := os.fork():
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        nothing = os.open(os.devnull, os.O_RDWR)
        log = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.set_inheritable(lock, True)
        os.set_inheritable(listener, True)
        os.chdir(ROOT)
        os.execve(sys.executable, server_command(lock, listener), server_environment(os.environ))  # noqa: S606
    finally:
        os._exit(127)


def server_command(lock: int, listener: int) -> list[str]:
    """Return the command line of the server."""
    inherited = ["--lock", str(lock), "--listener", str(listener)]
    return [sys.executable, "-m", "deployments.warm", "serve", *inherited, "--idle-seconds", str(IDLE_SECONDS)]


def server_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the server's environment: a run's, without what belongs to that run alone."""
    kept = {name: value for name, value in environment.items() if not name.startswith(PER_RUN)}
    return {**kept, ROOM: "." * 8192}
