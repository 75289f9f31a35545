"""The AI stage called by itself, as Prefect's users do it, on a real stack."""

import json

import httpx
import pytest

from deployments.stack import Stack
from tests.fakes.prefect_command import created_run, run_deployment

SMALL = {"generation": {"short_side": 144, "frame_rate": 8, "music": False}}


@pytest.mark.slow
def test_a_script_becomes_an_asset_without_a_job_around_it(stack: Stack) -> None:
    script = "The tide turns. The lamp is lit."

    ran = run_deployment(stack, "generate-asset/on-demand", f"script={script}", f"recipe={json.dumps(SMALL)}")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    with httpx.Client(base_url=f"{stack.api_url}/api/v1", timeout=60) as api:
        [made] = api.get("/generations", params={"job_id": created_run(ran)}).json()["items"]
        assets = [api.get(f"/assets/{each['id']}").json() for each in api.get("/assets").json()["items"]]
    assert (made["state"], made["provider"], made["capability"]) == ("stored", "storyboard", "text_to_video")
    assert made["request"]["script"] == script
    names = {each["sha256"]: each["original_name"] for each in assets}
    assert names[made["result_sha256"]] == "The tide turns. The lamp is lit"
