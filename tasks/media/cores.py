"""How many processor cores this process may use: what it is bound to, and what its container is allowed."""

import math
import os
from collections.abc import Iterator
from pathlib import Path


def usable_cores(root: Path = Path("/")) -> int:
    """Return the cores that this process may use, at least 1.

    A container with two of a machine's 64 cores sees all of them; its share stands in its control group.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    bound_to = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min([bound_to, *_quotas(root)])))


def _quotas(root: Path) -> Iterator[float]:
    """Give the cores that each control group around this process allows."""
    groups = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":  # version 2
            for folder in _from_top(groups, path):
                yield from _quota(*_text(folder / "cpu.max").split())
        elif "cpu" in controllers.split(","):
            for folder in _from_top(groups / "cpu", path):
                yield from _quota(_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us"))


def _from_top(groups: Path, path: str) -> list[Path]:
    """Return the folders of a group and those around it; a container's own group may be shown as the top."""
    group = groups / path.strip("/")
    return [folder for folder in (group, *group.parents) if folder.is_relative_to(groups)]


def _quota(quota: str = "", period: str = "") -> Iterator[float]:
    try:
        share = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max", or no such file
        return
    if share > 0:  # -1: no limit
        yield share


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
