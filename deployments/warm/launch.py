"""The command of our work pools: hand this process's environment, directory and streams to the fork server and wait.

``python -I -S launch.py -m prefect.engine`` in place of ``python -m prefect.engine``. The worker sees what it sees
then: a process that takes signals, writes to the inherited streams and ends as the run ends. Standard library only, and
little of it: ``socket`` and ``signal`` would double the start of this program for the sake of their enums (7 → 14 ms,
for every run), so their C halves are used, and no ``pathlib`` either.
"""

# ruff: noqa: PTH101, PTH102, PTH108, PTH109, PTH110, PTH112, PTH116, PTH119, PTH120, PTH123, PTH208

import os
import sys
import time
import zlib
from _signal import (  # type: ignore[import-not-found]
    SIG_DFL,
    SIG_IGN,
    SIGALRM,
    SIGCONT,
    SIGHUP,
    SIGINT,
    SIGKILL,
    SIGQUIT,
    SIGTERM,
    SIGTSTP,
    SIGTTIN,
    SIGTTOU,
    SIGUSR1,
    SIGUSR2,
    default_int_handler,
)
from _signal import getsignal as get_handler
from _signal import signal as on_signal
from _socket import AF_UNIX, SCM_RIGHTS, SOCK_STREAM, SOL_SOCKET, socket

TYPE_CHECKING = False  # as `typing` has it, without importing it
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

PROTOCOL = "1"
DEFAULT = ("-m", "prefect.engine")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
FORWARDED = (SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT)
IGNORABLE = (*FORWARDED, SIGTSTP, SIGTTIN, SIGTTOU, SIGALRM)
MOST_SERVERS = 4
LISTEN_SECONDS = 5.0
START_SECONDS = 60.0
FAILED_SECONDS = 60.0
BACKLOG = 1024
ATTEMPTS = 2  # a server may be killed while one waits for it
IDLE_SECONDS = 900.0
# Read by the interpreter, the loader or a library once, at its start: a run with other values needs another server.
READ_AT_START = (
    "DAILIES_",
    "PREFECT_",
    "PYTHON",
    "LD_",
    "LC_",
    "LANG",
    "MALLOC_",
    "OMP_",
    "OPENBLAS_",
    "MKL_",
    "OPENCV_",
)
PER_RUN = "PREFECT__"
# Room in the server's environment block, in which a forked run writes its own for `ps` (see title.py).
ROOM = "_WARM_ROOM"


class NoWarmStartError(Exception):
    """There is no warm start; the message says why."""


class ServerFailedError(NoWarmStartError):
    """The server does not come up; it is not tried again for a while."""


class Place:
    """Where the server for an environment is found: in a directory private to the user, named by what it imports.

    Args:
        environment: The environment of a run, or of the server itself.
    """

    def __init__(self, environment: "os._Environ[str] | dict[str, str]") -> None:
        self.identity = identity(environment)
        self.directory = directory(environment)
        # Collisions are found out: the keeper compares the whole identity.
        stem = f"{self.directory}/{zlib.crc32(ROOT.encode()):08x}-{zlib.crc32(self.identity):08x}"
        self.socket = f"{stem}.sock"
        self.lock = f"{stem}.lock"
        self.log = f"{stem}.log"
        self.failed = f"{stem}.failed"
        self.told = f"{stem}.told"

    def connect(self) -> socket:
        """Return a connection to the server, which may still be importing.

        Raises:
            OSError: No server listens.
        """
        connection = socket(AF_UNIX, SOCK_STREAM)
        try:
            connection.connect(self.socket)
        except OSError:
            connection.close()
            raise
        return connection


def identity(environment: "os._Environ[str] | dict[str, str]") -> bytes:
    """Return what decides what a process imports and how: interpreter, project, and the variables read at start."""
    fixed = [PROTOCOL, sys.executable, sys.version, ROOT]
    variables = [
        f"{name}={value}"
        for name, value in sorted(environment.items())
        if name.startswith(READ_AT_START) and not name.startswith(PER_RUN)
    ]
    return "\0".join(fixed + variables).encode("utf-8", "surrogateescape")


def directory(environment: "os._Environ[str] | dict[str, str]") -> str:
    """Return the directory of the sockets: short, because a socket's path may have 107 bytes only."""
    user = os.getuid()
    parent = environment.get("XDG_RUNTIME_DIR") or environment.get("TMPDIR") or "/tmp"  # noqa: S108  # checked by `private`
    if len(parent) > 60 or not os.path.isdir(parent):
        parent = "/tmp"  # noqa: S108
    return f"{parent}/dailies-warm-{user}"


def private(path: str) -> str:
    """Make the directory, or check that it is a real one which only this user can enter, and return it.

    Raises:
        NoWarmStartError: Somebody else made it, or can enter it.
    """
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise NoWarmStartError(f"{path} cannot be made: {error.strerror}") from error
    found = os.lstat(path)
    if found.st_mode & 0o170077 != 0o040000 or found.st_uid != os.getuid():
        raise NoWarmStartError(f"{path} is not a directory that is private to this user")
    return path


def main(arguments: list[str]) -> int:
    """Do what ``python ARGUMENTS`` does and return its exit code (negative: the signal that ended it).

    Args:
        arguments: ``-m MODULE …``.
    """
    if get_handler(SIGINT) is default_int_handler:
        on_signal(SIGINT, SIG_DFL)  # until there is a run to forward it to: end at once, without a traceback
    place = Place(os.environ)
    try:
        connection = reach(place)
    except NoWarmStartError as error:
        use_ordinary_command(place, error, arguments)
    early: list[int] = []
    handle_signals(early.append)
    lines = Lines(connection)
    try:
        send_request(connection, arguments)
        answer = lines.read()
    except OSError:
        answer = b""
    if answer.startswith(b"no "):
        handle_signals(None)
        for number in early:
            os.kill(os.getpid(), number)
        use_ordinary_command(place, NoWarmStartError(answer[3:].decode()), arguments)
    handle_signals(lambda number: forward(connection, number))
    for number in early:
        forward(connection, number)
    ending = lines.read() if answer.startswith(b"started ") else b""
    # A connection that breaks means that the keeper was killed, and the kernel has killed the run with it.
    return int(ending[5:]) if ending.startswith(b"exit ") else -SIGKILL


def handle_signals(handler: "Callable[[int], None] | None") -> None:
    """Give the signals that are passed on to the handler, or (None) back to the system; the ignored stay ignored."""
    for number in FORWARDED:
        if get_handler(number) != SIG_IGN:
            on_signal(number, (lambda number, _frame: handler(number)) if handler else SIG_DFL)


def reach(place: Place) -> socket:
    """Return a connection whose server has said that it is ready; start a server where there is none.

    Raises:
        NoWarmStartError: There is no server and none could be started.
    """
    if not sys.platform.startswith("linux"):
        raise NoWarmStartError("it needs Linux: elsewhere a process with libraries in it cannot be forked safely")
    private(place.directory)
    if os.getcwd() != ROOT:
        raise NoWarmStartError(f"a run that starts outside {ROOT} may mean other modules than those imported")
    for _ in range(ATTEMPTS):
        connection = connect_or_start(place)
        connection.settimeout(START_SECONDS)
        try:
            answer = Lines(connection).read()
            connection.settimeout(None)
        except OSError as error:
            raise ServerFailedError(f"the fork server does not answer ({error}); see {place.log}") from None
        if answer.startswith(b"no "):
            raise NoWarmStartError(answer[3:].decode())
        if answer == b"ready":
            return connection
    raise ServerFailedError(f"the fork server ended while it started; see {place.log}")


def connect_or_start(place: Place) -> socket:
    """Return a connection to the server, which may still be importing; start one where there is none.

    Raises:
        NoWarmStartError: There is no server and none could be started.
    """
    deadline = time.monotonic() + LISTEN_SECONDS
    while True:
        try:
            return place.connect()
        except OSError as error:
            if not start_server(place):  # another launcher is about to listen, or a server about to leave
                time.sleep(0.02)
            if time.monotonic() > deadline:
                raise ServerFailedError(f"no fork server listens ({error})") from None


def start_server(place: Place) -> bool:
    """Start the server unless somebody else is doing so; it listens, if not yet answers, when this returns True.

    The lock and the listening socket are made here and inherited, so that there is never a moment in which two servers
    start, or one runs and nobody can reach it.

    Raises:
        NoWarmStartError: It failed a short while ago, or there are too many.
    """
    import fcntl

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
    stem = os.path.basename(place.lock)[:9]
    others = [name for name in os.listdir(place.directory) if name.startswith(stem) and name.endswith(".sock")]
    if len(others) >= MOST_SERVERS and os.path.basename(place.socket) not in others:
        raise NoWarmStartError(f"{len(others)} servers run for other settings already")


def failed_lately(place: Place) -> bool:
    """Say whether the server did not come up a short while ago: it is not tried again at every run."""
    try:
        return time.time() - os.stat(place.failed).st_mtime < FAILED_SECONDS
    except OSError:
        return False


def read(path: str) -> str:
    """Return what the file says, empty when it is not there."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def write(path: str, text: str) -> None:
    """Write a file of the private directory."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


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


def server_environment(environment: "os._Environ[str] | dict[str, str]") -> dict[str, str]:
    """Return the server's environment: a run's, without what belongs to that run alone."""
    kept = {name: value for name, value in environment.items() if not name.startswith(PER_RUN)}
    return {**kept, ROOM: "." * 8192}


def send_request(connection: socket, arguments: list[str]) -> None:
    """Send what makes a process: umask, ignored signals, directory, arguments, environment, and its three streams."""
    umask = os.umask(0)
    os.umask(umask)
    ignored = b",".join(b"%d" % number for number in IGNORABLE if get_handler(number) == SIG_IGN)
    environment = [name + b"=" + value for name, value in os.environb.items()]
    parts = [b"%d" % umask, ignored, os.getcwdb(), b"%d" % len(arguments), *map(os.fsencode, arguments), *environment]
    body = b"\0".join(parts)
    streams = [descriptor if is_open(descriptor) else os.open(os.devnull, os.O_RDWR) for descriptor in (0, 1, 2)]
    rights = b"".join(number.to_bytes(4, sys.byteorder) for number in streams)
    connection.sendmsg([b"%10d" % len(body)], [(SOL_SOCKET, SCM_RIGHTS, rights)])
    connection.sendall(body)


def is_open(descriptor: int) -> bool:
    """Say whether this process has the descriptor."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def forward(connection: socket, number: int) -> None:
    """Have the keeper pass a signal on to the run; it knows whether the run is still the process of that number."""
    try:
        connection.send(bytes((number,)))
    except OSError:  # the run has just ended
        return


class Lines:
    """Reads the answers of the other side, a line each."""

    def __init__(self, connection: socket) -> None:
        self._connection = connection
        self._buffer = b""

    def read(self) -> bytes:
        """Return the next line without its end; empty when the other side is gone."""
        while b"\n" not in self._buffer:
            try:
                received = self._connection.recv(256)
            except ConnectionResetError:
                return b""
            if not received:
                return b""
            self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line


def use_ordinary_command(place: Place, reason: NoWarmStartError, arguments: list[str]) -> "NoReturn":
    """Become the ordinary command, as if there were no warm start; tell of a reason once, not at every run."""
    text = str(reason)
    try:
        private(place.directory)
        if isinstance(reason, ServerFailedError):
            write(place.failed, text)
        is_new = read(place.told) != text
        write(place.told, text)
    except (NoWarmStartError, OSError):
        is_new = True  # nowhere to note that it was told
    if is_new:
        sys.stderr.write(f"No warm start: {text}. The ordinary command is used instead, which takes seconds longer.\n")
        sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606


def end_like(code: int) -> None:
    """End as the run ended: by the same exit code, or by the same signal, which Prefect explains to people."""
    if code < 0:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the run itself has left its core
        if -code != SIGKILL:
            on_signal(-code, SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code & 0xFF)


if __name__ == "__main__":
    end_like(main(sys.argv[1:] or list(DEFAULT)))
