"""A stand-in for the pipeline with the real one's name and parameters, which tells where and with what it ran."""

import os
import time
from pathlib import Path
from typing import Any

from prefect import flow, task


@task(persist_result=True, result_serializer="json")
def look_around() -> dict[str, str]:
    return {"directory": str(Path.cwd()), **os.environ}


@flow(name="process-asset", persist_result=True, result_serializer="json")
def process_asset(
    source: str,
    recipe: str = "default",
    overrides: dict[str, Any] | None = None,
    title: str = "",
    metadata: dict[str, Any] | None = None,
) -> dict[str, str]:
    time.sleep(float((overrides or {}).get("sleep_seconds", 0)))
    return look_around()
