"""A Locust file for the worker tier: each user uploads a video, hands it in as a job, and waits for its publication.

Started by ``python -m tests.bench.load``, which says in the environment what to hand in and where to write what became
of it: ``LOAD_VIDEOS`` (paths, JSON), ``LOAD_JOB`` (what a job has besides its source, JSON), ``LOAD_RESULT``,
``LOAD_SECONDS`` (longest wait), ``LOAD_HEADERS`` (credentials, JSON).
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, events, task
from locust.exception import StopUser

VIDEOS = [Path(each) for each in json.loads(os.environ["LOAD_VIDEOS"])]
JOB = json.loads(os.environ["LOAD_JOB"])
RESULT = Path(os.environ["LOAD_RESULT"])
LONGEST_SECONDS = float(os.environ["LOAD_SECONDS"])
HEADERS = json.loads(os.environ.get("LOAD_HEADERS", "{}"))
LOOK_SECONDS = 0.5
ENDED = ("succeeded", "failed", "cancelled")

waiting = list(VIDEOS)
outcomes: list[dict[str, Any]] = []


class Editor(FastHttpUser):
    """Somebody with one video."""

    network_timeout = connection_timeout = 600.0

    @task
    def publish(self) -> None:
        """Take the next video from upload to publication, and leave."""
        if not waiting:
            raise StopUser
        video = waiting.pop(0)
        began = time.time()
        job, error = {}, ""
        try:
            source = self.upload(video)
            uploaded = time.time()
            job = self.submit(source)
            job = self.until_ended(job)
            error = "" if job["state"] == "succeeded" else job.get("reason") or job["state"]
        except LookupError as refused:
            uploaded, error = time.time(), str(refused)
        ended = time.time()
        outcomes.append(
            {
                "size_bytes": video.stat().st_size,
                "began_at": began,
                "uploaded_at": uploaded,
                "created_at": job.get("created_at"),
                "started_at": job.get("started_at"),
                "finished_at": job.get("finished_at"),
                "ended_at": ended,
                "error": error,
            }
        )
        events.request.fire(
            request_type="JOB",
            name="upload → published",
            response_time=(ended - began) * 1000,
            response_length=video.stat().st_size,
            exception=RuntimeError(error) if error else None,
        )
        if len(outcomes) == len(VIDEOS):
            self.environment.runner.quit()
        raise StopUser

    def upload(self, video: Path) -> str:
        """Upload a file and return the source that it is."""
        with video.open("rb") as opened:
            form = {"file": (video.name, opened, "video/mp4")}
            answer = self.client.post("/api/v1/uploads", files=form, headers=HEADERS)
        if answer.status_code != 201:
            raise LookupError(f"upload: {answer.status_code}")
        return str(answer.json()["source"])

    def submit(self, source: str) -> dict[str, Any]:
        """Hand in a job."""
        answer = self.client.post("/api/v1/jobs", json={**JOB, "source": source}, headers=HEADERS)
        if answer.status_code != 202:
            raise LookupError(f"submit: {answer.status_code}")
        return dict(answer.json())

    def until_ended(self, job: dict[str, Any]) -> dict[str, Any]:
        """Look at a job until it has ended; return it as it is then."""
        deadline = time.time() + LONGEST_SECONDS
        while job["state"] not in ENDED:
            if time.time() > deadline:
                raise LookupError(f"not done within {LONGEST_SECONDS:.0f} s")
            gevent.sleep(LOOK_SECONDS)
            answer = self.client.get(f"/api/v1/jobs/{job['id']}", headers=HEADERS, name="/api/v1/jobs/{id}")
            if answer.status_code == 200:
                job = dict(answer.json())
        return job


@events.quitting.add_listener
def write(environment: Any, **_: Any) -> None:
    """Leave what became of each video."""
    RESULT.write_text(json.dumps(outcomes), encoding="utf-8")
    environment.process_exit_code = 1 if len(outcomes) < len(VIDEOS) or any(each["error"] for each in outcomes) else 0
