"""Interrupting a main thread, in a process of its own: what it does there is not to be done to the test run."""

import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

INTERRUPTED = """
import threading, time
from tasks.interruption import Interrupter

class Stop(BaseException):
    pass

interrupter = Interrupter()
with interrupter.listening():
    threading.Timer(0.2, interrupter.interrupt, [Stop("enough")]).start()
    try:
        {wait}
    except Stop as stop:
        print("stopped:", stop)
interrupter.interrupt(Stop("too late"))
time.sleep(0.1)
print("went on")
"""

KILLED = """
import subprocess, sys, threading, time, ctypes
from tasks.interruption import end_process_tree

stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {stubborn!r}])"
child = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, start_new_session=True)
assert child.stdout.readline() == b"up\\n"
threading.Timer(0.1, end_process_tree, [7]).start()
mutex = ctypes.create_string_buffer(64)
libc = ctypes.CDLL(None)
libc.pthread_mutex_lock(mutex)
libc.pthread_mutex_lock(mutex)  # hangs where no signal reaches it
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )


def test_a_waiting_main_thread_is_interrupted() -> None:
    for wait in ("time.sleep(30)", "threading.Lock().acquire() and threading.Event().wait()"):
        ran = run(INTERRUPTED.format(wait=wait))

        assert ran.stdout == "stopped: enough\nwent on\n", ran.stderr


def test_a_signal_that_nobody_sent_on_purpose_interrupts_nothing() -> None:
    ran = run(INTERRUPTED.format(wait="import os; os.kill(os.getpid(), 10); print('still here'); time.sleep(30)"))

    assert signal.SIGUSR1 == 10
    assert ran.stdout.startswith("still here\nstopped: enough"), ran.stderr


def test_a_process_that_hangs_is_ended_with_a_grandchild_that_ignores_term() -> None:
    # The pipe that all of them hold is read to its end only when all of them are gone.
    ran = run(KILLED)

    assert ran.returncode == 7, ran.stderr
