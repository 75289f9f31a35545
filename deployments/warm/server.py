"""The fork server: everything imported, one thread, a fork for each run; then it has nothing more to do with the run.

It listens while it imports, so that a run which comes early waits instead of importing the same beside it. It is
started by the first run that misses it and ends by itself when idle. When code, locks or settings change it replaces
itself by a fresh one that goes on with the same socket and lock: a run never fails for it and never runs old code.
"""

import contextlib
import json
import logging
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
from pathlib import Path

from deployments.warm import keeper
from deployments.warm.fingerprint import Fingerprint, fingerprint
from deployments.warm.leftovers import adopt_orphans, leftovers
from deployments.warm.place import ROOT, Place
from deployments.warm.preload import preload
from deployments.warm.run import Run
from deployments.warm.starting import IDLE_SECONDS

logger = logging.getLogger(__name__)

TICK_SECONDS = 5.0
_NOTE_BYTES = 4096
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Server:
    """A listening fork server; lives until it is idle, told to end, replaced, or no longer reachable.

    Args:
        place: Where launchers look for it.
        listener: The listening socket, made by whoever started the server.
        lock: Descriptor of the lock file, locked; the kernel unlocks it when this process ends.
        idle_seconds: Without a run for so long, it ends.
    """

    def __init__(self, place: Place, listener: socket.socket, lock: int, idle_seconds: float = IDLE_SECONDS) -> None:
        self.place = place
        self._listener = listener
        self._lock = lock
        self._idle_seconds = idle_seconds
        self._fingerprint: Fingerprint = frozenset()
        self._keepers: set[int] = set()
        self._last_run = time.monotonic()
        self._ended_by = 0
        self._wakeup, self._wakeup_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self) -> Run | None:
        """Fork until the end; return the run to carry out in a forked run, and None in the server itself at its end."""
        adopt_orphans()
        signal.set_wakeup_fd(self._wakeup_writer)
        for number in _SIGNALS:
            signal.signal(number, self._note_signal)
        self._listener.setblocking(False)
        self._note_state("starting")
        self._fingerprint = fingerprint(Path(ROOT))
        logger.info("Imported %d modules in %.1f s", *preload())
        self._note_state("ready")
        for stale in (self.place.failed, self.place.told):
            Path(stale).unlink(missing_ok=True)
        self._last_run = time.monotonic()
        while not self._is_over():
            if self._wait(TICK_SECONDS):
                self._renew_when_stale()
                if run := self._fork():
                    return run
        self._leave()
        while self._wait(0):  # who came at the last moment
            if run := self._fork():
                return run
        return None

    def _wait(self, seconds: float) -> bool:
        """Wait for a run, a signal or the seconds; say whether it was a run."""
        watched: list[int | socket.socket] = [self._listener, self._wakeup]
        readable, _, _ = select.select(watched, [], [], seconds)
        if self._wakeup in readable:
            os.read(self._wakeup, 4096)
        self._reap()
        if not readable and seconds:
            self._renew_when_stale()
        return self._listener in readable

    def _fork(self) -> Run | None:
        """Fork a keeper for the next run; return the run in the process that is to carry it out."""
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return None
        connection.setblocking(True)
        with connection:
            self._last_run = time.monotonic()
            if refusal := refuse(connection):
                logger.warning("Refused a run: %s", refusal)
                answer(connection, f"no {refusal}")
                return None
            try:
                child = os.fork()
            except OSError as error:  # no memory, too many processes: the run may yet start with the ordinary command
                answer(connection, f"no fork: {error.strerror}")
                return None
            if child:
                self._keepers.add(child)
                return None
            self._forget()
            return keeper.keep(connection, self.place.identity)

    def _forget(self) -> None:
        """Let go, in a forked child, of what belongs to the server."""
        signal.set_wakeup_fd(-1)
        logger.handlers.clear()
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        self._listener.close()
        for descriptor in (self._lock, self._wakeup, self._wakeup_writer):
            os.close(descriptor)

    def _renew_when_stale(self) -> None:
        """Replace this process by a fresh server when what it imported has changed; waiting runs go on waiting."""
        if fingerprint(Path(ROOT)) == self._fingerprint:
            return
        logger.info("Code, locks or settings have changed: the server renews itself")
        self._note_state("starting")
        os.set_inheritable(self._lock, True)
        self._listener.set_inheritable(True)
        os.chdir(ROOT)
        command = [sys.executable, "-m", "deployments.warm", *sys.argv[1:]]
        os.execv(sys.executable, command)  # noqa: S606

    def _is_over(self) -> bool:
        if self._ended_by:
            logger.info("Ended by signal %d; %d runs go on by themselves", self._ended_by, len(self._keepers))
            return True
        if not self._keepers and time.monotonic() - self._last_run > self._idle_seconds:
            logger.info("Idle for %.0f s", self._idle_seconds)
            return True
        return not self._is_reachable()

    def _is_reachable(self) -> bool:
        """Say whether a launcher would come here: temporary directories are cleaned, projects are removed."""
        try:
            held, named = os.fstat(self._lock), Path(self.place.lock).stat()
            return held.st_ino == named.st_ino and Path(self.place.socket).is_socket() and Path(ROOT).is_dir()
        except OSError:
            return False

    def _leave(self) -> None:
        """Remove the files, while the lock is held: nobody else can be using their names."""
        if self._is_reachable():
            for path in (self.place.socket, self.place.log, self.place.lock):
                Path(path).unlink(missing_ok=True)

    def _reap(self) -> None:
        """Take note of ended keepers; end what the run of a killed one left."""
        with contextlib.suppress(ChildProcessError):
            while (child := os.waitpid(-1, os.WNOHANG)[0]) > 0:
                self._keepers.discard(child)
        for orphan in leftovers(but=self._keepers):
            os.kill(orphan, signal.SIGKILL)

    def _note_signal(self, number: int, _frame: object) -> None:
        if number != signal.SIGCHLD:
            self._ended_by = number

    def _note_state(self, state: str) -> None:
        """Write into the lock file what ``status`` shows."""
        note = {"pid": os.getpid(), "state": state, "since": time.time(), "root": ROOT, "log": self.place.log}
        note["home"] = os.environ.get("DAILIES_HOME", "")
        # Always as long, in one piece: whoever reads it never sees half a note.
        os.pwrite(self._lock, json.dumps(note).encode().ljust(_NOTE_BYTES), 0)


def refuse(connection: socket.socket) -> str:
    """Say why nothing may be forked for the other side now; empty when it may."""
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if user != os.getuid():
        return f"user {user} is not the user of this server"
    threads = max(threading.active_count(), len(os.listdir("/proc/self/task")))  # noqa: PTH208
    if threads > 1:
        return f"the server has {threads} threads, and only one would be in the fork"
    return ""


def answer(connection: socket.socket, line: str) -> None:
    """Send a line; nobody may be there to read it."""
    with contextlib.suppress(OSError):
        connection.sendall(f"{line}\n".encode())


def log_to_stderr() -> None:
    """Write the server's log to its standard error; nobody else's, because the runs inherit what is set up here."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def listener_of(descriptor: int) -> socket.socket:
    """Return the inherited listening socket."""
    listener = socket.socket(fileno=descriptor)
    listener.set_inheritable(False)
    return listener
