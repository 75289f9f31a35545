"""The command of our work pools: hand this process's environment, directory and streams to the fork server and wait.

``python -I -S launch.py -m prefect.engine`` in place of ``python -m prefect.engine``. The worker sees what it sees
then: a process that takes signals, writes to the inherited streams and ends as the run ends. Standard library only, and
little of it: ``socket`` and ``signal`` would double the start of this program for the sake of their enums (7 → 14 ms,
for every run), so their C halves are used, and no ``pathlib`` either.
"""

# ruff: noqa: PTH109, PTH120

import os
import sys
import time
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
from _socket import SCM_RIGHTS, SOL_SOCKET, socket

if __name__ == "__main__":  # started with `-I`, without a path of its own
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))))

from deployments.warm.place import ROOT, Lines, NoWarmStartError, Place, ServerFailedError, private, read, write

TYPE_CHECKING = False  # as `typing` has it, without importing it
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

DEFAULT = ("-m", "prefect.engine")
FORWARDED = (SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT)
IGNORABLE = (*FORWARDED, SIGTSTP, SIGTTIN, SIGTTOU, SIGALRM)
ATTEMPTS = 2  # a server may be killed while one waits for it
LISTEN_SECONDS = 5.0
START_SECONDS = 60.0


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
            from deployments.warm.starting import start_server  # needed once, and its imports are not free

            if not start_server(place):  # another launcher is about to listen, or a server about to leave
                time.sleep(0.02)
            if time.monotonic() > deadline:
                raise ServerFailedError(f"no fork server listens ({error})") from None


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
