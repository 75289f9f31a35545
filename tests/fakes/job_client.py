"""A user of the REST API, as the end-to-end tests need one."""

import time
from typing import Any

import httpx

TERMINAL = {"succeeded", "failed", "cancelled"}
Job = dict[str, Any]


class JobClient:
    """Posts jobs and waits for them, over HTTP like anybody else."""

    def __init__(self, api_url: str) -> None:
        self.http = httpx.Client(base_url=api_url, timeout=60)

    def close(self) -> None:
        self.http.close()

    def submit(self, source: str = "", **body: Any) -> str:
        """Submit a job for a source, or for the ``prompt`` or ``script`` of the body; return its id."""
        answer = self.http.post("/api/v1/jobs", json={**({"source": source} if source else {}), **body})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> Job:
        answer = self.http.get(f"/api/v1/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def wait(self, job_id: str, timeout: float = 240) -> Job:
        """Return the job once it has ended."""
        return self.wait_for(job_id, lambda job: job["state"] in TERMINAL, timeout)

    def wait_for(self, job_id: str, predicate: Any, timeout: float = 120) -> Job:
        """Return the job once the predicate holds; fails, with the job, after the timeout (seconds).

        Like any patient client it asks again when the service says that something behind it is away for a while.
        """
        deadline = time.monotonic() + timeout
        while (answer := self.http.get(f"/api/v1/jobs/{job_id}")).status_code in (200, 503):
            if answer.status_code == 200 and predicate(answer.json()):
                break
            assert time.monotonic() < deadline, f"waited {timeout} s in vain: {answer.text}\n{self.log_text(job_id)}"
            time.sleep(0.2)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def process(self, source: str = "", **body: Any) -> Job:
        """Submit a job and return it once it has ended."""
        return self.wait(self.submit(source, **body))

    def succeed(self, source: str = "", **body: Any) -> Job:
        """Submit a job that has to succeed."""
        job = self.process(source, **body)
        assert job["state"] == "succeeded", f"{job}\n{self.log_text(job['id'])}"
        return job

    def publication(self, job: Job) -> dict[str, Any]:
        """Return what is public about a job's asset."""
        answer = self.http.get(f"/api/v1/assets/{job['asset_id']}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["publication"])

    def log_text(self, job_id: str) -> str:
        answer = self.http.get(f"/api/v1/jobs/{job_id}/logs", params={"limit": 200})
        return "\n".join(line["message"] for line in answer.json().get("items", ()))
