"""Flows of the tests: they do one thing each and say what they see."""

import atexit
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.settings import get_current_settings


@flow
def no_op() -> None:
    """Do nothing."""


@task
def little() -> int:
    return 1


@flow
def one_task() -> int:
    return little()


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
        "signals": {number.name: str(signal.getsignal(number)) for number in signal.Signals},
        "mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "settings": get_current_settings().model_dump(mode="json"),
        "loggers": {
            name: [
                logging.getLevelName(logger.level),
                [type(one).__name__ for one in logger.handlers],
                logger.propagate,
            ]
            for name, logger in [("root", root), *((n, logging.getLogger(n)) for n in ("prefect", "prefect.flow_runs"))]
        },
        "streams": [(one.encoding, one.errors, one.line_buffering, one.fileno()) for one in (sys.stdout, sys.stderr)],
        "warnings": [str(one[:3]) for one in warnings.filters],
        "timezone": time.tzname,
        "descriptors": sorted(_kind(path) for path in Path("/proc/self/fd").iterdir()),
        "leader": os.getsid(0) == os.getpid(),
    }


def _kind(path: Path) -> str:
    try:
        return f"{path.name if int(path.name) < 3 else '-'} {str(path.readlink()).split(':')[0]}"
    except OSError:
        return "- gone"


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


@flow
def list_modules(target: str) -> None:
    """Write down, at the end of the process, which modules it has, in the order in which they were imported."""
    little()
    atexit.register(lambda: Path(target).write_text("\n".join(sys.modules)))
