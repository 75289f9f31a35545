"""Replace this process by a command that ends when its parent ends, as another user where wanted.

Started as ``python -I -S guard.py PARENT_PID SIGNAL UID -- COMMAND…`` by :mod:`deployments.children`. A small script
instead of ``preexec_fn``, because code between fork and exec in a program with threads can deadlock; and instead of
``setpriv``, because not every machine has one new enough. It imports nothing of ours: it runs before the environment
of the project matters, and its cost (about 20 ms) is paid by every child.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>


def end_with_parent(signal_number: int, parent_pid: int) -> None:
    """Ask the kernel for a signal when the parent ends (Linux); leave at once if it has ended already."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent_pid:
        sys.exit(1)


def become(user_id: int) -> None:
    """Give up root for the numeric user (and the group of the same number)."""
    os.setgroups([])
    os.setgid(user_id)
    os.setuid(user_id)


def main(arguments: list[str]) -> None:
    """Carry out the command line; does not return.

    What a shell starts in the background ignores SIGINT, and so would its children: but Prefect's worker stops by it,
    also when it is sent SIGTERM. Each component has a session of its own, so no Ctrl-C reaches it by accident.
    """
    parent_pid, signal_number, user_id, separator, *command = arguments
    if separator != "--" or not command:
        sys.exit("guard: PARENT_PID SIGNAL UID -- COMMAND…")
    if user_id != "-":
        become(int(user_id))
    # After the change of user: that change clears the parent-death signal.
    end_with_parent(int(signal_number), int(parent_pid))
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(command[0], command)  # noqa: S606  # the whole point: no shell, no further process


if __name__ == "__main__":
    main(sys.argv[1:])
