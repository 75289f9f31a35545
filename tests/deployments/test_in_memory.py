import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from data.settings import Settings
from deployments.components import PROJECT
from deployments.errors import NoMemoryHomeError
from deployments.in_memory import LEAST_BYTES, MEMORY, PREFIX, home_in_memory
from deployments.note import LOCK, StackNote, take_lock
from deployments.postgres import LOCATION_NOTE
from deployments.up import main
from tests.conftest import WaitUntil
from tests.fakes.stack_processes import stack_processes

LITTLE = 2**20

with_memory = pytest.mark.skipif(
    not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < LITTLE, reason=f"needs {MEMORY}"
)


@pytest.fixture
def settings() -> Settings:
    return Settings(_env_file=None, mode="local")


@with_memory
def test_a_home_in_memory_is_gone_at_the_end(settings: Settings) -> None:
    with home_in_memory(settings, least_bytes=LITTLE) as home:
        assert home.is_relative_to(MEMORY)
        (home / "catalogue.db").touch()

    assert not home.exists()


@with_memory
def test_what_a_killed_predecessor_left_is_removed_and_what_somebody_uses_is_not(settings: Settings) -> None:
    left, used = (MEMORY / f"{PREFIX}test-{os.getpid()}-{name}" for name in ("left", "used"))
    for each in (left, used):
        each.mkdir()
        (each / LOCK).touch()
    lock = take_lock(used)
    assert lock is not None

    with home_in_memory(settings, least_bytes=LITTLE):
        found = (left.exists(), used.exists())
    lock.close()
    shutil.rmtree(used)

    assert found == (False, True)


@with_memory
def test_what_another_start_has_just_made_and_what_is_elsewhere_stays(settings: Settings, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / LOCK).touch()
    (elsewhere / LOCATION_NOTE).write_text(str(tmp_path / "database"), "utf-8")
    (tmp_path / "database").mkdir()
    (link := MEMORY / f"{PREFIX}test-{os.getpid()}-link").symlink_to(elsewhere)
    with home_in_memory(settings, least_bytes=LITTLE) as first:
        try:
            with home_in_memory(settings, least_bytes=LITTLE):
                found = (first.exists(), (tmp_path / "database").exists())
        finally:
            link.unlink()

    assert found == (True, True)


def test_production_keeps_its_state(settings: Settings) -> None:
    production = settings.model_copy(update={"mode": "production"})

    with pytest.raises(NoMemoryHomeError, match="production"), home_in_memory(production):
        pytest.fail("it was given")


def test_where_there_is_no_memory_to_be_had_nothing_else_takes_its_place(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(NoMemoryHomeError, match="no folder in memory"), home_in_memory(settings, tmp_path):
        pytest.fail("it was given")


@with_memory
def test_too_little_memory_is_said_before_it_is_full(settings: Settings) -> None:
    with pytest.raises(NoMemoryHomeError, match="GiB"), home_in_memory(settings, least_bytes=2**60):
        pytest.fail("it was given")


@pytest.mark.parametrize("more", [["--stop"], ["--home", "elsewhere"]])
def test_it_has_a_home_of_its_own(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--in-memory", *more])

    assert "of its own" in capsys.readouterr().err


@pytest.fixture
def up() -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", "deployments.up", "--in-memory", "--api-port", "0", "--prefect-port", "0"]
    with subprocess.Popen(
        argv, cwd=PROJECT, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        yield process
        process.kill()


@pytest.mark.slow
@pytest.mark.skipif(
    not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < LEAST_BYTES, reason=f"needs room in {MEMORY}"
)
def test_up_in_memory_says_so_and_leaves_nothing_when_it_is_told_to_stop(
    up: subprocess.Popen[str], wait_until: WaitUntil
) -> None:
    def own() -> tuple[Path, StackNote] | None:
        notes = ((home, StackNote.read(home)) for home in MEMORY.glob(f"{PREFIX}*"))
        return next(((home, note) for home, note in notes if note and note.pid == up.pid and note.is_ready), None)

    wait_until(lambda: own() or up.poll() is not None, 180, "the stack")
    found = own()
    assert found is not None, up.communicate()[0]
    home, note = found
    ready = httpx.get(f"{note.api_url}/api/v1/health/ready").json()
    is_whole = (home / "postgres" / "data").is_dir() and not (home / LOCATION_NOTE).exists()
    up.terminate()
    output, _ = up.communicate(timeout=60)

    assert up.returncode == 0
    assert ready["in_memory"]
    assert is_whole, "the database lies there too"
    assert "Nothing is kept" in output
    assert not home.exists()
    assert stack_processes(note.stack_id) == []
