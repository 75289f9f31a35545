"""Users of the API: each uploads, submits, polls, lists and reads logs, at the pace of people and of scripts.

``make load`` against a running server, or ``locust --locustfile tests/bench/load/locustfile.py`` for Locust's own
page. Ends with status 1 when a call failed, or when the 95th percentile of reads is above ``LOAD_P95_MS`` (300).
Credentials go in ``LOAD_HEADERS`` as JSON.
"""

import json
import logging
import os
import random
from typing import Any

from locust import FastHttpUser, between, events, task

P95_MS = float(os.environ.get("LOAD_P95_MS", "300"))
HEADERS = json.loads(os.environ.get("LOAD_HEADERS", "{}"))
# No video, though it begins like one: what is measured is the service, not the pipeline.
CLIP = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + os.urandom(64 * 1024)
KEPT = 5

logger = logging.getLogger(__name__)


class Person(FastHttpUser):
    """Somebody with a few jobs."""

    wait_time = between(0.5, 1.5)

    def on_start(self) -> None:
        """Hand in a first job."""
        self.jobs: list[str] = []
        self.etags: dict[str, str] = {}
        self.hand_in()

    @task(1)
    def hand_in(self) -> None:
        """Upload a file and submit a job for it; the oldest is cancelled, so that a queue does not grow for ever."""
        form = {"file": ("clip.mp4", CLIP, "video/mp4")}
        with self.client.post("/api/v1/uploads", files=form, headers=HEADERS, catch_response=True) as uploaded:
            if uploaded.status_code != 201:
                uploaded.failure(f"upload: {uploaded.status_code}")
                return
            source = uploaded.json()["source"]
        body = {"source": source, "priority": "low", "title": "load", "metadata": {"load": True}}
        answer = self.client.post("/api/v1/jobs", json=body, headers=HEADERS)
        if answer.status_code == 202:
            self.jobs.append(answer.json()["id"])
        if len(self.jobs) > KEPT:
            self.cancel(self.jobs.pop(0))

    @task(20)
    def poll(self) -> None:
        """Look how a job is, as a script does."""
        if not self.jobs:
            return
        job = self.jobs[-1]
        headers = {**HEADERS, **({"If-None-Match": self.etags[job]} if job in self.etags else {})}
        with self.client.get(
            f"/api/v1/jobs/{job}", headers=headers, name="/api/v1/jobs/{id}", catch_response=True
        ) as answer:
            if answer.status_code in (200, 304):
                self.etags[job] = answer.headers.get("ETag", "")
                answer.success()

    @task(4)
    def list_jobs(self) -> None:
        """Open the list, and perhaps its second page."""
        answer = self.client.get("/api/v1/jobs?limit=20", headers=HEADERS, name="/api/v1/jobs")
        following = answer.json().get("next") if answer.status_code == 200 else None
        if following and random.random() < 0.3:
            self.client.get(f"/api/v1/jobs?limit=20&after={following}", headers=HEADERS, name="/api/v1/jobs (page 2)")

    @task(3)
    def read_logs(self) -> None:
        """Read what a job has logged."""
        if self.jobs:
            self.client.get(f"/api/v1/jobs/{self.jobs[-1]}/logs", headers=HEADERS, name="/api/v1/jobs/{id}/logs")

    def cancel(self, job: str) -> None:
        """Stop a job; one that has ended by itself is well."""
        with self.client.post(
            f"/api/v1/jobs/{job}/cancel", headers=HEADERS, name="/api/v1/jobs/{id}/cancel", catch_response=True
        ) as answer:
            if answer.status_code in (202, 404, 409):
                answer.success()


@events.quitting.add_listener
def judge(environment: Any, **_: Any) -> None:
    """Fail the run when calls failed or reads were slow."""
    total = environment.stats.total
    slow = [
        (name, entry.get_response_time_percentile(0.95))
        for (name, method), entry in environment.stats.entries.items()
        if method == "GET" and entry.get_response_time_percentile(0.95) > P95_MS
    ]
    for name, milliseconds in slow:
        logger.error("%s: 95 of 100 within %d ms, promised %d ms", name, milliseconds, P95_MS)
    environment.process_exit_code = 1 if total.num_failures or slow else 0
