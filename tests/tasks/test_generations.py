"""The tasks in a real flow run, with the settings from the environment and Prefect keeping the rate limit."""

import json
import os
import subprocess
import sys
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient

from data.settings import GenerationSettings
from deployments.rate_limits import apply_rate_limits
from deployments.stack import Stack
from tests.fakes.generation_world import GenerationWorld, hostile, tiny_video
from tests.fakes.hostile_provider import HostileProvider

ROOT = Path(__file__).resolve().parents[2]


def test_a_flow_makes_a_generation_and_tests_a_provider(tmp_path: Path, prefect_server: Stack) -> None:
    with HostileProvider(tiny_video()).running() as server:
        provider = hostile(server.url, requests_per_minute=600)
        world = GenerationWorld(tmp_path, provider)
        with SyncPrefectClient(prefect_server.prefect_api_url) as client:
            apply_rate_limits(client, GenerationSettings(providers=[provider]))
        environment = {
            **os.environ,
            **prefect_server.environment,
            "PREFECT_API_URL": prefect_server.prefect_api_url,
            "DAILIES_HOME": str(tmp_path),
            "DAILIES_CATALOGUE__URL": world.url,
            "DAILIES_STORAGE__URL": world.settings.storage_url,
            "DAILIES_RETRY__ATTEMPTS": "0",
            "DAILIES_GENERATION__PROVIDERS": json.dumps([provider.model_dump(mode="json")]),
            "DAILIES_GENERATION__POLL_SECONDS": "0.05",
        }
        command = [sys.executable, "-m", "tests.fakes.generation_flow"]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    assert done.returncode == 0, done.stderr
    keys, outcome = (json.loads(line) for line in done.stdout.strip().splitlines()[-2:])
    assert keys[0] == keys[1]
    assert world.store.get_bytes(keys[0]) == tiny_video()
    assert server.charges.total() == 1
    assert (outcome["provider"], outcome["code"]) == ("hostile", None)
    assert world.health().tested_at is not None
    world.database.close()
