"""Several processes behind one port: each counts for itself, and whichever is scraped adds all of it up.

prometheus_client does so through files in a directory that all of them share, whose name has to be in the environment
before it is imported: so who starts the processes calls :func:`share_metrics` first. A single process needs none of it.
"""

import os
import shutil
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def share_metrics(home: Path) -> Path:
    """Give the processes that this one starts a directory of their own, and remove those of servers that are gone.

    Args:
        home: Where local state lives.
    """
    folder = home / "metrics"
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.iterdir():
        if left.name.isdigit() and not is_alive(int(left.name)):
            shutil.rmtree(left, ignore_errors=True)
    own = folder / str(os.getpid())
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    os.environ[VARIABLE] = str(own)
    return own


def shared_folder() -> Path | None:
    """Return the directory that this process shares its metrics through."""
    folder = os.environ.get(VARIABLE)
    return Path(folder) if folder else None


def is_alive(process_id: int) -> bool:
    """Say whether there is a process with that id."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def leave(process_id: int, folder: Path) -> None:
    """Take what a process that has ended showed of its present out of the sum; what it counted stays."""
    for path in folder.glob(f"gauge_live*_{process_id}.db"):
        path.unlink(missing_ok=True)
