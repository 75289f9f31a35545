"""A stack that goes on after its starter has ended: ``make demo KEEP=1``."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from deployments.children import MARKER
from deployments.components import PROJECT
from deployments.errors import ComponentError
from deployments.note import StackNote, stop_running

READY_SECONDS = 300.0
POLL_SECONDS = 0.2


class DetachedStack:
    """A stack in a process of its own (``deployments.up``), on free ports."""

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        """Start it and wait until it is ready.

        Raises:
            ComponentError: It ended, or was not ready in time; the sentence holds what it said.
        """
        self.home = home
        (home / "log").mkdir(parents=True, exist_ok=True)
        self._log_path = home / "log" / "up.log"
        self._process = self._start(environment)
        self._note = self._wait_for_note()

    @property
    def api_url(self) -> str:
        """Where the REST API and the player are."""
        return self._note.api_url

    @property
    def prefect_ui_url(self) -> str:
        """Where the Prefect UI is."""
        return self._note.prefect_ui_url

    @property
    def timings(self) -> dict[str, float]:
        """Seconds that each component took to get ready."""
        return self._note.timings

    @property
    def how_to_stop(self) -> str:
        """The command that stops it."""
        return f"{sys.executable} -m deployments.up --stop --home {self.home}"

    def check(self) -> None:
        """Do nothing while it runs.

        Raises:
            ComponentError: It has ended.
        """
        if (code := self._process.poll()) is not None:
            said = self._log_path.read_text("utf-8", "replace").strip()
            raise ComponentError(f"The stack ended with exit code {code}. It said:\n{said}", {"exit_code": code})

    def stop(self) -> None:
        """Stop it after all."""
        stop_running(self.home)
        self._process.wait()

    def _start(self, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        inherited = {name: value for name, value in os.environ.items() if name != MARKER}
        with self._log_path.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "deployments.up", "--home", self.home, "--api-port", "0", "--prefect-port", "0"],
                cwd=PROJECT,
                env={**inherited, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait_for_note(self) -> StackNote:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            self.check()
            note = StackNote.read(self.home)
            if note is not None and note.pid == self._process.pid and note.is_ready:
                return note
            if time.monotonic() > deadline:
                self._process.terminate()
                raise ComponentError(f"The stack was not ready after {READY_SECONDS:.0f} s; see {self._log_path}.")
            time.sleep(POLL_SECONDS)
