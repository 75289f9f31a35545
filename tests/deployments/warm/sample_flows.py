"""Flows of the tests: they do one thing each and say what they see."""

import atexit
import json
import logging
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.settings import get_current_settings


@flow
def no_op() -> None:
    """Do nothing."""


@flow
def leave_with(code: int) -> None:
    """End the process with an exit code, as a library might."""
    os._exit(code)


@flow
def sleep_with_child(pid_file: str, seconds: float = 120) -> None:
    """Start a process in a session of its own, as an encoder is, and wait for it."""
    child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"], start_new_session=True)
    Path(pid_file).write_text(json.dumps({"run": os.getpid(), "child": child.pid}))
    child.wait()


@flow
def look_around(target: str) -> None:
    """Write down everything about this process that may differ between a warm and an ordinary start."""
    Path(target).write_text(json.dumps(surroundings(), default=str, indent=1))


@flow
def list_modules(target: str) -> None:
    """Write down, at the end of the process, which modules it has, in the order in which they were imported."""
    part = Path(target).with_suffix(".part")
    atexit.register(lambda: (part.write_text("\n".join(sys.modules)), part.rename(target)))


FLOWS = (no_op, leave_with, sleep_with_child, look_around, list_modules)


def surroundings() -> dict[str, Any]:
    root = logging.getLogger()
    return {
        "argv": sys.argv,
        "orig_argv": sys.orig_argv[1:],
        "main": sys.modules["__main__"].__spec__.name,  # type: ignore[union-attr]
        "path": sys.path,
        "flags": str(sys.flags),
        "cwd": str(Path.cwd()),
        "umask": _umask(),
        "environment": dict(os.environ),
        "signals": {number.name: _name(signal.getsignal(number)) for number in signal.Signals},
        "mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "settings": get_current_settings().model_dump(mode="json", exclude={"server"}),
        "loggers": {
            name: [
                logging.getLevelName(logger.level),
                [type(one).__name__ for one in logger.handlers],
                logger.propagate,
            ]
            for name, logger in [("root", root), *((n, logging.getLogger(n)) for n in ("prefect", "prefect.flow_runs"))]
        },
        "streams": [(one.encoding, one.errors, one.line_buffering, one.fileno()) for one in (sys.stdout, sys.stderr)],
        "timezone": time.tzname,
        "channels": sorted(_kind(path) for path in Path("/proc/self/fd").iterdir() if _is_inherited(path)),
        "leads_session": os.getsid(0) == os.getpid(),
    }


def _name(handler: Any) -> str:
    return getattr(handler, "__name__", str(handler))


def _is_inherited(path: Path) -> bool:
    try:
        # Files are left out: OpenSSL may be reading its certificates in another thread.
        return os.get_inheritable(int(path.name)) and not stat.S_ISREG(os.fstat(int(path.name)).st_mode)
    except OSError:
        return False


def _kind(path: Path) -> str:
    try:
        return f"{path.name if int(path.name) < 3 else '-'} {str(path.readlink()).split(':')[0]}"
    except OSError:
        return "- gone"


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value
