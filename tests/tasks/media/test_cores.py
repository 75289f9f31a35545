import os
from pathlib import Path

import pytest

from tasks.media.cores import usable_cores


@pytest.fixture(autouse=True)
def _many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(64)), raising=False)


def test_without_control_groups_the_cores_are_those_that_the_process_is_bound_to(tmp_path: Path) -> None:
    assert usable_cores(tmp_path) == 64


def test_a_containers_share_counts(tmp_path: Path) -> None:
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text("250000 100000\n")
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")

    assert usable_cores(tmp_path) == 3


def test_the_least_of_all_groups_around_the_process_counts(tmp_path: Path) -> None:
    group = tmp_path / "sys/fs/cgroup/work.slice/job.scope"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text("max 100000\n")
    (group.parent / "cpu.max").write_text("400000 100000\n")
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/work.slice/job.scope\n")

    assert usable_cores(tmp_path) == 4


@pytest.mark.parametrize(("quota", "cores"), [("-1", 64), ("20000", 1), ("200000", 2)])
def test_control_groups_of_version_1_count_too(tmp_path: Path, quota: str, cores: int) -> None:
    root = tmp_path / "sys/fs/cgroup/cpu"
    root.mkdir(parents=True)
    (root / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (root / "cpu.cfs_period_us").write_text("100000\n")
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("5:cpuacct,cpu:/docker/0123\n1:name=systemd:/\n")

    assert usable_cores(tmp_path) == cores
