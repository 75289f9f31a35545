"""A small project with the warm start in it, so that the tests can change its code and need no Prefect server."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
import json, os, signal, subprocess, sys, time
from flows.process_asset import VALUE

def sleeper(seconds, **options):
    return subprocess.Popen([sys.executable, "-S", "-c", f"import time; time.sleep({seconds})"], **options)

def note(path, **what):
    with open(path + ".part", "w") as file:
        json.dump({"run": os.getpid(), **what}, file)
    os.rename(path + ".part", path)

action, *rest = sys.argv[1:]
if action == "value":
    print(VALUE, flush=True)
elif action == "exit":
    sys.exit(int(rest[0]))
elif action == "raise":
    raise ValueError("on purpose")
elif action == "kill":
    os.kill(os.getpid(), int(rest[0]))
elif action == "look":
    umask = os.umask(0)
    note(rest[0], argv=sys.argv, cwd=os.getcwd(), environment=dict(os.environ), umask=umask, stdin=sys.stdin.read(),
         first_path=sys.path[0], name=__name__, session=os.getsid(0), parent=os.getppid())
    print("to stdout", flush=True)
    print("to stderr", file=sys.stderr, flush=True)
elif action == "sleep":
    if "stubborn" in rest:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, lambda *_: sys.exit(42))
    child = sleeper(600, start_new_session=True)
    note(rest[0], child=child.pid)
    while True:
        time.sleep(0.05)
elif action == "leave":
    nothing = subprocess.DEVNULL
    stranger = {name: value for name, value in os.environ.items() if name != "PREFECT__FLOW_RUN_ID"}
    note(rest[0], child=sleeper(600, start_new_session=True).pid,
         resident=sleeper(600, start_new_session=True, env=stranger, stdout=nothing, stderr=nothing).pid)
elif action == "write-late":
    import atexit, threading
    atexit.register(lambda: print("at exit"))
    threading.Thread(target=lambda: (time.sleep(0.3), print("from a thread"))).start()
    print("at once")
elif action == "random":
    import random, uuid
    print(random.random(), uuid.uuid4(), os.urandom(4).hex())
"""


class WarmProject:
    """A project directory, the environment of its runs, and the launchers that were started in it."""

    def __init__(self, root: Path, runtime: Path) -> None:
        self.root = root.resolve()
        self.runtime = runtime
        shutil.copytree(
            ROOT / "deployments/warm", self.root / "deployments/warm", ignore=shutil.ignore_patterns("__py*")
        )
        (self.root / "deployments/__init__.py").touch()
        (self.root / "flows").mkdir()
        # Prefect takes seconds to import; nothing here needs it.
        preload = self.root / "deployments/warm/preload.py"
        preload.write_text(re.sub(r"\nLIBRARIES.*?\n\)", "\nLIBRARIES = ()", preload.read_text(), flags=re.DOTALL))
        (self.root / "flows/__init__.py").touch()
        self.set_value(1)
        (self.root / "program.py").write_text(PROGRAM)
        kept = ("PATH", "HOME", "LANG", "TMPDIR")
        server = self.root / "deployments/warm/server.py"
        server.write_text(server.read_text().replace("TICK_SECONDS = 5.0", "TICK_SECONDS = 0.5"))
        self.environment = {name: os.environ[name] for name in kept if name in os.environ}
        self.environment |= {
            "XDG_RUNTIME_DIR": str(runtime),
            "PREFECT__FLOW_RUN_ID": "00000000-0000-4000-8000-000000000001",
            "PREFECT_HOME": str(runtime / "prefect"),
            "PREFECT_API_URL": "http://127.0.0.1:9/api",
            "DAILIES_HOME": str(root),
        }

    def set_value(self, value: int) -> None:
        (self.root / "flows/process_asset.py").write_text(f"VALUE = {value}\n")

    @property
    def directory(self) -> Path:
        """Where the sockets are."""
        return self.runtime / f"dailies-warm-{os.getuid()}"

    def command(self, *arguments: str) -> list[str]:
        launcher = self.root / "deployments/warm/launch.py"
        return [sys.executable, "-I", "-S", str(launcher), "-m", "program", *arguments]

    def run(self, *arguments: str, stdin: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the launcher to its end."""
        environment = self.environment | options.pop("variables", {})
        return subprocess.run(
            self.command(*arguments),
            **{"cwd": self.root, "env": environment, "input": stdin, **options},
            capture_output=True,
            text=True,
            timeout=120,
        )

    def start(self, *arguments: str, variables: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
        """Start the launcher."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.root,
            env=self.environment | dict(variables or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @contextmanager
    def sleeping(self, *options: str) -> Iterator[tuple["subprocess.Popen[str]", dict[str, int]]]:
        """Have a run that sleeps, with a process in a session of its own; give the launcher and the run's notes."""
        path = self.runtime / f"note-{time.monotonic_ns()}.json"
        launcher = self.start("sleep", str(path), *options)
        try:
            yield launcher, self.note(path)
        finally:
            launcher.kill()
            launcher.communicate()

    def note(self, path: Path, timeout: float = 60) -> dict[str, Any]:
        """Return what a run has written down."""
        deadline = time.monotonic() + timeout
        while not path.exists():
            assert time.monotonic() < deadline, f"no {path}; {self.log()}"
            time.sleep(0.02)
        return dict(json.loads(path.read_text()))

    def servers(self) -> list[psutil.Process]:
        """Return the fork servers of this project."""
        found = []
        for process in psutil.process_iter():
            try:
                if "serve" in process.cmdline() and process.environ().get("DAILIES_HOME") == str(self.root):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def log(self) -> str:
        """Return the logs of the fork servers."""
        return "\n".join(path.read_text() for path in self.directory.glob("*.log"))

    def tool(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m deployments.warm``."""
        return subprocess.run(
            [sys.executable, "-m", "deployments.warm", *arguments],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def end(self) -> None:
        """End whatever is left of the project."""
        for process in psutil.process_iter():
            try:
                if process.environ().get("DAILIES_HOME") == str(self.root):
                    process.send_signal(signal.SIGKILL)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue


def warm_command(root: Path) -> str:
    """Return the command of a work pool whose runs start warm."""
    return shlex.join([sys.executable, "-I", "-S", str(root / "deployments/warm/launch.py"), "-m", "prefect.engine"])


def is_running(pid: int) -> bool:
    """Say whether there is such a process, other than as a zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
