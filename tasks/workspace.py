"""The scratch directory of one attempt: there while the work runs, gone after it, swept if its process was killed."""

import errno
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect.runtime import flow_run

from data.domain.errors import DiskFullError
from data.domain.identity import named_owner
from data.domain.jobs import queue_rank
from data.locks import HeldLock
from data.settings import get_settings
from tasks.packed import packed_job
from tasks.stopping import at_work, own_priority

_LOCK_SUFFIX = ".lock"


def run_id() -> str:
    """Return the id of the flow run that this process carries out; empty outside a run."""
    return str(flow_run.get_id() or "")


def job_id() -> str:
    """Return the id of the job that this code works for: its flow run, or its item of a pack."""
    return packed_job() or run_id()


def job_owner() -> str | None:
    """Return the id of the user whose job this code works for; ``None`` where nobody handed it in over the API."""
    return named_owner(flow_run.get_tags())


def encode_rank() -> int:
    """Return the rank with which this process's run waits for an encode slot now: 1 comes first."""
    return queue_rank(own_priority())


@contextmanager
def workspace() -> Iterator[Path]:
    """Make a scratch directory and remove it afterwards, whatever happens.

    A lock beside it is held by the kernel for as long as this process lives, so that :func:`sweep_workspaces` can tell
    a killed attempt's directory from one in use, without clocks or pids. Who has a workspace is :func:`at_work`.

    Raises:
        DiskFullError: No space was left for it, or for what was written while the block ran.
    """
    try:
        with _locked_directory() as directory, at_work():
            yield directory
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(f"No space is left for scratch files: {error}.") from error
        raise


@contextmanager
def _locked_directory() -> Iterator[Path]:
    root = get_settings().scratch_path
    root.mkdir(parents=True, exist_ok=True)
    directory = root / f"{run_id()[:13] or 'local'}-{secrets.token_hex(4)}"
    lock_path = directory.with_name(directory.name + _LOCK_SUFFIX)
    lock = HeldLock.take(lock_path)
    assert lock is not None, f"{lock_path} has a random name"
    try:
        directory.mkdir()
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        lock_path.unlink(missing_ok=True)
        lock.release()


def sweep_workspaces(root: Path) -> list[str]:
    """Remove the scratch directories whose process is gone; return their names."""
    swept = []
    for directory in sorted(path for path in root.glob("*") if path.is_dir()):
        lock_path = directory.with_name(directory.name + _LOCK_SUFFIX)
        lock = HeldLock.take(lock_path)
        if lock is None:
            continue
        shutil.rmtree(directory, ignore_errors=True)
        lock_path.unlink(missing_ok=True)
        lock.release()
        swept.append(directory.name)
    return swept
