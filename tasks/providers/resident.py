"""The way to the resident engine: one process for each GPU worker that keeps the heavy weights between jobs.

Runs are processes of their own; they cannot share a CUDA context, and must not load gigabytes each. So what needs a
GPU is done by one process, and a run asks it over a private socket. Whoever finds none starts one::

    run ── socket ── engine (resident_server.py): one request at a time, one model kept

* It belongs to the user, the project and its version, the interpreter and the visible GPUs: two workers with a GPU
  each have two engines.
* It leads a session of its own and carries no mark of the run that started it, so it outlives that run.
* It ends when nobody has asked for a while. When it is killed, a client hears at once, and the next starts another.
* A client that goes away, killed or cancelled, closes its socket: the engine stops that work at its next step, or
  ends itself if it cannot.
* All that it has is a directory which only this user can enter: lock, socket, log.
"""

import json
import os
import socket
import stat
import subprocess
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from data.domain.errors import InfrastructureError, ProcessLostError, error_of_code
from tasks.providers.pipeline_work import PipelineWork

ROOT = Path(__file__).resolve().parents[2]
IDLE_SECONDS = 600.0
_START_SECONDS = 30.0
_LOOK_SECONDS = 0.5
"""A job's watchdog wants to see that its process lives (``tasks/run_watch.py``)."""
_TRIES = 3
_LONGEST_DIRECTORY = 60  # the path of a socket may have 107 bytes only
_LOG_CHARACTERS = 600
_VISIBLE_GPUS = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
_CODE = ("resident_server", "pipelines", "pipeline_work", "frame_video", "asking")
_NOT_PASSED_ON = ("DAILIES_", "PREFECT_")
"""The engine needs no settings and no secrets, and must not look like a part of a run."""


@dataclass(frozen=True)
class ResidentEngine:
    """The engine as its clients know it; starts it when it is needed."""

    python: Path
    """The interpreter that has torch and diffusers."""
    directory: Path
    """Private to the user; made when needed."""
    idle_seconds: float = IDLE_SECONDS

    def make(self, work: PipelineWork, on_progress: Callable[[float], None]) -> dict[str, Any]:
        """Have a piece of work done, after those that came before, and return what made it.

        Raises:
            ProcessLostError: The engine ended before it was done, or does not start.
            DailiesError: What the engine raised.
        """
        for _ in range(_TRIES):
            with self._connected() as connection:
                connection.sendall(work.to_json().encode() + b"\n")
                was_taken = False
                for message in _messages(connection):
                    was_taken = True
                    if "error" in message:
                        raise error_of_code(message["error"]["code"], message["error"]["message"])
                    if "made" in message:
                        made: dict[str, Any] = message["made"]
                        return made
                    on_progress(float(message.get("progress", 0.0)))
            if was_taken:
                break  # otherwise it was just about to leave
        raise ProcessLostError(f"The engine's process ended before the work was done. {self._last_words()}".strip())

    @property
    def stem(self) -> Path:
        """The path of its files, without their suffixes."""
        facts = [str(ROOT), str(self.python), *(os.environ.get(name, "") for name in _VISIBLE_GPUS)]
        return self.directory / f"{zlib.crc32(chr(0).join(facts).encode(), _code()):08x}"

    @property
    def socket_path(self) -> Path:
        """Where it listens."""
        return self.stem.with_suffix(".sock")

    def _connected(self) -> socket.socket:
        make_private(self.directory)
        deadline = time.monotonic() + _START_SECONDS
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self.socket_path))
            except OSError as error:
                connection.close()
                if time.monotonic() > deadline:
                    raise ProcessLostError(f"The engine does not start. {self._last_words()}") from error
                self._start()
            else:
                connection.settimeout(_LOOK_SECONDS)
                return connection

    def _start(self) -> None:
        """Start the engine; returns when it listens, or when another one is found to."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)}
        environment["HF_HUB_OFFLINE"] = "1"  # nothing is fetched, nothing is reported
        command = [str(self.python), "-m", "tasks.providers.resident_server", str(self.stem), str(self.idle_seconds)]
        with self.stem.with_suffix(".log").open("ab") as log:
            started = subprocess.run(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                timeout=_START_SECONDS,
                check=False,
            )
        if started.returncode:
            raise ProcessLostError(f"The engine does not start. {self._last_words()}")
        time.sleep(0.01)

    def _last_words(self) -> str:
        try:
            return self.stem.with_suffix(".log").read_text(errors="replace")[-_LOG_CHARACTERS:].strip()
        except OSError:
            return ""


@lru_cache(maxsize=1)
def _code() -> int:
    """Return what tells versions of the engine's code apart: jobs of a newer one do not ask an older one."""
    folder = Path(__file__).parent
    return zlib.crc32(b"".join((folder / f"{name}.py").read_bytes() for name in _CODE))


def default_directory() -> Path:
    """Return where the engines of this user are found."""
    parent = tempfile.gettempdir()
    return Path(parent if len(parent) <= _LONGEST_DIRECTORY else "/tmp") / f"dailies-engine-{os.getuid()}"  # noqa: S108 # make_private


def make_private(directory: Path) -> None:
    """Make a directory that only this user can enter, or see that it is one.

    Raises:
        InfrastructureError: Somebody else made it, or can enter it.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077 or found.st_uid != os.getuid():
        raise InfrastructureError(f"{directory} is not a directory that is private to this user.")


def _messages(connection: socket.socket) -> Iterator[dict[str, Any]]:
    """Give what the engine says, until it hangs up; while it says nothing, look up every now and then."""
    heard = b""
    while True:
        try:
            data = connection.recv(65536)
        except TimeoutError:
            continue
        except ConnectionError:
            return
        if not data:
            return
        *lines, heard = (heard + data).split(b"\n")
        yield from (json.loads(line) for line in lines)
