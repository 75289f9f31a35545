"""What many would build instead: jobs as Celery tasks over Redis, and a FastAPI that shows how they are.

A fair opponent: the same answer's shape, read from Celery's own result backend, the same server under it.
"""

import os
from datetime import datetime
from typing import Any

from celery import Celery
from celery.result import AsyncResult
from fastapi import FastAPI
from pydantic import BaseModel

REDIS = os.environ["REFERENCE_REDIS"]

queue = Celery("reference", broker=REDIS, backend=REDIS)


@queue.task(bind=True, name="process")
def process(self: Any, source: str, metadata: dict[str, Any]) -> dict[str, Any]:
    """Say how far it is, as a worker would."""
    self.update_state(state="PROGRESS", meta={"step": "transcode", "progress": 0.42, "source": source})
    return {"source": source, "metadata": metadata}


class Job(BaseModel):
    """What the reference shows of a job."""

    id: str
    state: str
    step: str | None = None
    progress: float = 0
    source: str | None = None
    finished_at: datetime | None = None


class JobRequest(BaseModel):
    """What the reference takes."""

    source: str
    metadata: dict[str, Any] = {}


app = FastAPI()


@app.post("/api/v1/jobs", status_code=202)
def submit(body: JobRequest) -> Job:
    """Queue a task."""
    result = process.delay(body.source, body.metadata)
    queue.backend.store_result(result.id, {"step": "transcode", "progress": 0.42, "source": body.source}, "PROGRESS")
    return Job(id=result.id, state="PENDING", source=body.source)


@app.get("/api/v1/jobs/{job_id}")
def show(job_id: str) -> Job:
    """Read a task's state."""
    result = AsyncResult(job_id, app=queue)
    meta = result._get_task_meta()  # one read of Redis, as `.state` and `.info` would each do
    info = meta.get("result") if isinstance(meta.get("result"), dict) else {}
    return Job(
        id=job_id,
        state=meta["status"],
        step=info.get("step"),
        progress=info.get("progress", 0),
        source=info.get("source"),
        finished_at=meta.get("date_done"),
    )
