"""The most memory that this process has held."""

import re
import resource
import sys
from pathlib import Path


def peak_megabytes() -> float:
    """Return the peak of this process's resident memory in MB.

    `getrusage` counts, on Linux, what the process was before it became this program: its parent, at the fork. The
    kernel's own account of the address space does not.
    """
    status = Path("/proc/self/status")
    if status.exists() and (match := re.search(r"VmHWM:\s+(\d+) kB", status.read_text("ascii"))):
        return int(match[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
