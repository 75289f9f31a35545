"""The scratch directory of one attempt: there while the work runs, gone after it, swept if its process was killed."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import portalocker
from prefect.runtime import flow_run

from data.settings import get_settings
from tasks.stopping import at_work

_LOCK_SUFFIX = ".lock"


def job_id() -> str:
    """Return the id of the flow run that this process works for; empty outside a run."""
    return str(flow_run.get_id() or "")


@contextmanager
def workspace() -> Iterator[Path]:
    """Make a scratch directory and remove it afterwards, whatever happens.

    A lock beside it is held by the kernel for as long as this process lives, so that :func:`sweep_workspaces` can tell
    a killed attempt's directory from one in use, without clocks or pids. Who has a workspace is :func:`at_work`.
    """
    root = get_settings().scratch_path
    root.mkdir(parents=True, exist_ok=True)
    directory = root / f"{job_id()[:13] or 'local'}-{secrets.token_hex(4)}"
    lock_path = directory.with_name(directory.name + _LOCK_SUFFIX)
    with lock_path.open("w") as lock:
        portalocker.lock(lock, portalocker.LOCK_EX | portalocker.LOCK_NB)
        directory.mkdir()
        try:
            with at_work():
                yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            lock_path.unlink(missing_ok=True)


def sweep_workspaces(root: Path) -> list[str]:
    """Remove the scratch directories whose process is gone; return their names."""
    swept = []
    for directory in sorted(path for path in root.glob("*") if path.is_dir()):
        lock_path = directory.with_name(directory.name + _LOCK_SUFFIX)
        with lock_path.open("a") as lock:
            try:
                portalocker.lock(lock, portalocker.LOCK_EX | portalocker.LOCK_NB)
            except portalocker.LockException:
                continue
            shutil.rmtree(directory, ignore_errors=True)
            lock_path.unlink(missing_ok=True)
            swept.append(directory.name)
    return swept
