"""Where launchers and fork servers find each other, and what they leave there for each other.

Imported by the launcher at every start of a run: strings and ``os`` instead of ``pathlib``, which costs 8 ms.
"""

# ruff: noqa: PTH102, PTH112, PTH120, PTH123

import os
import sys
import zlib
from _socket import AF_UNIX, SOCK_STREAM, socket

TYPE_CHECKING = False  # as `typing` has it, without importing it
if TYPE_CHECKING:
    from collections.abc import Mapping

PROTOCOL = "1"
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
# Read by the interpreter, the loader, a library or the settings once, at its start: a run with other values needs
# another server.
READ_AT_START = (
    "HOME",
    "XDG_CACHE_HOME",
    "SSL_CERT_",
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
# Of workers, and no matter to a run: workers with other values share a server.
OF_WORKERS = "PREFECT_WORKER_"


class NoWarmStartError(Exception):
    """There is no warm start; the message says why."""


class ServerFailedError(NoWarmStartError):
    """The server does not come up; it is not tried again for a while."""


class Place:
    """Where the server for an environment is found: in a directory private to the user, named by what it imports.

    Args:
        environment: The environment of a run, or of the server itself.
    """

    def __init__(self, environment: "Mapping[str, str]") -> None:
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


def identity(environment: "Mapping[str, str]") -> bytes:
    """Return what decides what a process imports and how: interpreter, project, and the variables read at start."""
    fixed = [PROTOCOL, sys.executable, sys.version, ROOT]
    variables = [
        f"{name}={value}"
        for name, value in sorted(environment.items())
        if name.startswith(READ_AT_START) and not name.startswith((PER_RUN, OF_WORKERS))
    ]
    return "\0".join(fixed + variables).encode("utf-8", "surrogateescape")


def directory(environment: "Mapping[str, str]") -> str:
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
