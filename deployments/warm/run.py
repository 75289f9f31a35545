"""A flow run in a forked process: become what the launcher is, then do what ``python -m prefect.engine`` does."""

import io
import os
import random
import runpy
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

from deployments.warm import ending
from deployments.warm.place import identity
from deployments.warm.title import show_as

_HEADER_BYTES = 10
_MOST_BYTES = 16 * 1024**2  # the kernel takes no larger environment either
_DEFAULT_SIGNALS = (
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCHLD,
    signal.SIGCONT,
)


@dataclass(frozen=True)
class Request:
    """What a launcher hands over: what it inherited from the worker and a fork of the server would not have."""

    umask: int
    ignored_signals: tuple[int, ...]
    directory: bytes
    arguments: tuple[str, ...]
    environment: Mapping[bytes, bytes]
    streams: tuple[int, int, int]

    @property
    def flow_run_id(self) -> str:
        """The flow run's id; empty when it is not told in the usual way."""
        return self.environment.get(b"PREFECT__FLOW_RUN_ID", b"").decode()

    @property
    def module(self) -> str:
        """The module to run; the arguments are ``-m MODULE …``."""
        return self.arguments[1]

    def identity(self) -> bytes:
        """Return which server this run needs."""
        return identity(self.variables())

    def variables(self) -> dict[str, str]:
        """Return the environment as strings, as ``os.environ`` has it."""
        return {os.fsdecode(name): os.fsdecode(value) for name, value in self.environment.items()}

    def close_streams(self) -> None:
        """Let go of the launcher's streams: whoever reads them waits until nobody has them."""
        for descriptor in self.streams:
            os.close(descriptor)


def receive_request(connection: socket.socket) -> Request:
    """Read a request from a launcher.

    Raises:
        OSError: The launcher is gone, silent, or not one of ours.
    """
    header, streams = _receive_streams(connection)
    size = int(header)
    body = bytearray()
    while len(body) < size:
        received = connection.recv(min(size - len(body), 65536))
        if not received:
            raise ConnectionResetError("the launcher ended while it sent its request")
        body += received
    umask, ignored, directory, count, *rest = bytes(body).split(b"\0")
    arguments, variables = rest[: int(count)], rest[int(count) :]
    environment = dict(variable.split(b"=", 1) for variable in variables)
    ignored_signals = tuple(int(number) for number in ignored.split(b",") if number)
    return Request(int(umask), ignored_signals, directory, tuple(map(os.fsdecode, arguments)), environment, streams)


def _receive_streams(connection: socket.socket) -> tuple[bytes, tuple[int, int, int]]:
    header, descriptors, _flags, _address = socket.recv_fds(connection, _HEADER_BYTES, 3)
    if len(descriptors) != 3 or len(header) != _HEADER_BYTES or not 0 <= int(header) <= _MOST_BYTES:
        raise ConnectionAbortedError("not a request of a launcher")
    first, second, third = descriptors
    return header, (first, second, third)


def show_keeper(request: Request) -> None:
    """Show the keeper of a run as such; its environment stays the server's."""
    show_as([sys.executable, "-m", "deployments.warm", "keep", request.flow_run_id], None, "warm-keeper")


class Run:
    """A flow run that the present process, just forked, is to become.

    Args:
        request: What it is to be.
    """

    def __init__(self, request: Request) -> None:
        self._request = request

    def carry_out(self) -> None:
        """Run the module as the program of this process; ends it as the module would have.

        Raises:
            SystemExit: The module's own.
        """
        self._become()
        with ending.noting_exit_code():
            runpy.run_module(self._request.module, run_name="__main__", alter_sys=True)

    def _become(self) -> None:
        """Take over what the launcher sent, and forget what was computed from what it replaces."""
        request = self._request
        _take_streams(request.streams)
        os.umask(request.umask)
        os.chdir(request.directory)
        os.environ.clear()
        os.environb.update(request.environment)
        time.tzset()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in _DEFAULT_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        for ignored in request.ignored_signals:  # by `nohup`, for example; a new interpreter leaves that as it is
            signal.signal(ignored, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        sys.argv[:] = request.arguments[1:]
        sys.orig_argv[:] = [sys.executable, *request.arguments]
        sys.path[0] = os.getcwd()  # noqa: PTH109  # as `python -m` has it
        variables = request.variables()
        show_as([*sys.orig_argv, request.flow_run_id], _foremost(variables), "prefect-engine")
        _refresh()


def _foremost(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables in the order in which they are worth showing."""
    return dict(sorted(variables.items(), key=lambda item: not item[0].startswith(("PREFECT__", "DAILIES_"))))


def _take_streams(streams: tuple[int, int, int]) -> None:
    for target, source in enumerate(streams):
        os.dup2(source, target)
        os.close(source)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=sys.stdout.isatty() and not sys.stdout.write_through)


def _refresh() -> None:
    """Renew what the server's imports hold that no two processes may share.

    The settings, Prefect's and ours, are the server's own: it was started for the very variables that they are read
    from (``place.READ_AT_START``), and renews itself when their files change. Prefect's take 0.04 s to be read.
    """
    random.seed()
    if numpy_random := sys.modules.get("numpy.random"):
        numpy_random.seed()
