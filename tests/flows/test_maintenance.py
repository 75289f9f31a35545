"""One round of upkeep in this process, on a real Prefect server."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

from data.settings import Settings, get_settings
from data.storage import open_store
from deployments.stack import Stack
from flows.maintenance import maintenance
from tasks.retention.rounds import is_due
from tasks.upkeep import ages_of
from tests.data.samples import sample_asset
from tests.fakes.catalogues import make_catalogue


@pytest.fixture
def home(tmp_path: Path, prefect_server: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("DAILIES_HOME", str(tmp_path))
    monkeypatch.setenv("DAILIES_RETENTION__RESULTS_DAYS", "0")
    get_settings.cache_clear()
    make_catalogue(get_settings().catalogue_url)
    here = {PREFECT_API_URL: prefect_server.prefect_api_url, PREFECT_LOGGING_TO_API_ENABLED: False}
    with temporary_settings(here):
        yield tmp_path
    get_settings.cache_clear()


def test_a_round_of_upkeep_says_what_it_did_and_the_next_one_finds_nothing(home: Path) -> None:
    killed = "import os; from tasks.workspace import workspace\nwith workspace(): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", killed], check=False)
    store = open_store(f"file://{home / 'store'}")
    store.put_bytes(b"kept", f"publications/{sample_asset().id}/v0001-job/master.m3u8")

    first, second = maintenance(), maintenance()

    assert len(first["scratch directories swept"]) == 1
    assert first["deleted"] == []
    assert second["scratch directories swept"] == []
    assert "deleted" not in second, "retention is due once an hour"
    assert list((home / "scratch").iterdir()) == []
    assert not is_due(store, datetime.now(UTC))


def test_zero_days_keep_for_ever() -> None:
    ages = ages_of(Settings(retention={"versions_days": 0, "caches_days": 3}, _env_file=None).retention)  # type: ignore[arg-type,call-arg]

    assert ages.versions is None
    assert ages.caches is not None
    assert ages.caches.days == 3
