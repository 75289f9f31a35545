from pathlib import Path
from typing import Any

import pytest
from prefect.workers.process import ProcessWorker

from data.domain.jobs import WORK_POOLS
from data.settings import OrchestrationSettings
from deployments.pools import cpu_slots, gpu_count, job_template, wanted_pools


@pytest.fixture
def stock() -> dict[str, Any]:
    return ProcessWorker.get_default_base_job_template()


def defaults(template: dict[str, Any]) -> dict[str, Any]:
    return {name: field.get("default") for name, field in template["variables"]["properties"].items()}


def test_runs_start_in_the_project_with_the_given_variables(stock: dict[str, Any]) -> None:
    chosen = defaults(job_template(stock, Path("/srv/dailies"), {"DAILIES_HOME": "/srv/var"}))

    assert chosen["working_dir"] == "/srv/dailies"
    assert chosen["env"] == {"DAILIES_HOME": "/srv/var"}
    assert chosen["command"].endswith(" -m prefect.engine")


def test_what_a_person_changed_in_the_template_stays(stock: dict[str, Any]) -> None:
    stock["variables"]["properties"]["env"]["default"] = {"THEIRS": "1", "DAILIES_HOME": "/old"}
    stock["variables"]["properties"]["stream_output"]["default"] = False

    chosen = defaults(job_template(stock, Path("/srv"), {"DAILIES_HOME": "/new"}))

    assert chosen["env"] == {"THEIRS": "1", "DAILIES_HOME": "/new"}
    assert chosen["stream_output"] is False


def test_making_the_template_twice_changes_nothing(stock: dict[str, Any]) -> None:
    once = job_template(stock, Path("/srv"), {"A": "1"})

    assert job_template(once, Path("/srv"), {"A": "1"}) == once
    assert defaults(stock)["working_dir"] is None


def test_slots_come_from_the_settings_or_from_the_machine() -> None:
    cpu, gpu, control = wanted_pools(OrchestrationSettings(cpu_slots=7))

    assert (cpu.name, cpu.limit) == ("cpu", 7)
    assert (gpu.name, gpu.limit) == ("gpu", 0)
    assert cpu_slots() >= 4
    assert gpu.default_limit >= 1
    assert (control.name, control.limit, control.default_limit) == ("control", 0, 50)


def test_our_pools_are_those_that_the_reconciler_looks_after() -> None:
    assert tuple(pool.name for pool in wanted_pools(OrchestrationSettings())) == WORK_POOLS


def test_without_the_drivers_tool_gpus_are_counted_by_their_device_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()

    assert gpu_count(tmp_path) == 2


def test_the_drivers_tool_says_how_many_gpus_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: A100 (UUID: GPU-1)'\necho '  MIG 1g.5gb Device 0'\n", "utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert gpu_count(tmp_path) == 1
