"""What is imported before the fork leaves one thread: a fork has only the one that forks."""

import subprocess
import sys

from deployments.components import PROJECT

COUNT = """
import os
from deployments.warm.preload import FLOWS, LIBRARIES, preload
preload()
import sys
print(len(os.listdir("/proc/self/task")), [name for name in FLOWS if name not in sys.modules])
"""


def test_preloading_everything_leaves_a_single_thread() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COUNT], cwd=PROJECT, capture_output=True, text=True, timeout=120, check=True
    )

    assert done.stdout.split(maxsplit=1) == ["1", "[]\n"], done.stderr
