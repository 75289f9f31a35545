"""The demo as a user of the REST API: submit a job, watch it, read what it published."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

import httpx

from data.domain.jobs import TERMINAL_STATES, JobState, step_weights
from deployments.errors import StackError

POLL_SECONDS = 0.5
REQUEST_SECONDS = 30.0
LOG_LINES = 15


@dataclass(frozen=True)
class JobSnapshot:
    """A job as ``GET /jobs/{id}`` answered it at one moment."""

    id: str
    state: JobState
    reason: str | None
    message: str | None
    progress: float
    steps: dict[str, float]
    """Share (0–1) of each step that has begun, in the order of the pipeline."""
    asset_id: str | None
    links: dict[str, str]

    @classmethod
    def of(cls, body: dict[str, Any]) -> "JobSnapshot":
        """Read an answer of the API."""
        return cls(
            id=body["id"],
            state=JobState(body["state"]),
            reason=body.get("reason"),
            message=body.get("message"),
            progress=float(body.get("progress") or 0),
            steps={step["name"]: float(step["progress"]) for step in body.get("steps") or ()},
            asset_id=body.get("asset_id"),
            links={name: link for name, link in (body.get("links") or {}).items() if link},
        )

    @property
    def is_over(self) -> bool:
        """Whether the job will not change any more."""
        return self.state in TERMINAL_STATES


@dataclass
class Course:
    """What was seen of a job while it ran: its states, and when each step began and ended."""

    states: list[dict[str, str | None]] = field(default_factory=list)
    _began: dict[str, float] = field(default_factory=dict)
    _ended_at: float | None = None

    def record(self, snapshot: JobSnapshot, at: float, now: datetime) -> None:
        """Take note of a snapshot.

        Args:
            snapshot: What the API answered.
            at: When, in seconds of a monotonic clock.
            now: When, on the wall clock.
        """
        seen = {"state": snapshot.state.value, "reason": snapshot.reason}
        if not self.states or {key: self.states[-1][key] for key in seen} != seen:
            self.states.append({"at": now.isoformat(timespec="milliseconds"), **seen})
        for step in snapshot.steps:
            self._began.setdefault(step, at)
        if snapshot.is_over and self._ended_at is None:
            self._ended_at = at

    def seconds_by_step(self) -> dict[str, float]:
        """Return how long each step took: until the next one began, or the job ended; as exact as the polling."""
        began = [(step, self._began[step]) for step in step_weights(self._began) if step in self._began]
        ends = [start for _, start in began[1:]] + [self._ended_at if self._ended_at is not None else float("nan")]
        return {step: round(end - start, 2) for (step, start), end in zip(began, ends, strict=True)}


class DailiesApi:
    """A small client of the REST API; one per demo, closed by its owner."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._client = httpx.Client(base_url=origin, timeout=REQUEST_SECONDS)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def absolute(self, address: str) -> str:
        """Return an address of the API with its origin."""
        return urljoin(self.origin, address)

    def submit(self, begin: Mapping[str, str], title: str, recipe: str) -> JobSnapshot:
        """Post a job.

        Args:
            begin: What it begins with: its ``source``, or its ``prompt``.
            title: Of the publication; empty leaves it to what the job begins with.
            recipe: Name of the recipe.

        Raises:
            StackError: The API refused it; the sentence is the API's.
        """
        answer = self._client.post("/api/v1/jobs", json={**begin, "title": title, "recipe": recipe})
        return JobSnapshot.of(_body(answer))

    def job(self, job_id: str) -> JobSnapshot:
        """Return the job as it is now."""
        return JobSnapshot.of(_body(self._client.get(f"/api/v1/jobs/{job_id}")))

    def history(self, job_id: str) -> list[dict[str, Any]]:
        """Return the states that the job went through, as Prefect recorded them."""
        return list(_body(self._client.get(f"/api/v1/jobs/{job_id}/history"))["items"])

    def last_log_lines(self, job_id: str) -> list[str]:
        """Return the end of the job's log."""
        lines: list[str] = []
        after: str | None = None
        while True:
            query = {"limit": "200", **({"after": after} if after else {})}
            page = _body(self._client.get(f"/api/v1/jobs/{job_id}/logs", params=query))
            lines += [f"{line['level']:<7} {line['message']}" for line in page["items"]]
            if not page["items"] or not page.get("next") or page["next"] == after:
                return "\n".join(lines).splitlines()[-LOG_LINES:]
            after = page["next"]

    def asset(self, asset_id: str) -> dict[str, Any]:
        """Return the asset with its publication."""
        return _body(self._client.get(f"/api/v1/assets/{asset_id}"))

    def text(self, address: str) -> str:
        """Return a published text file."""
        answer = self._client.get(address)
        answer.raise_for_status()
        return answer.text

    def follow(self, job_id: str, course: Course, check: Callable[[], None]) -> Iterator[JobSnapshot]:
        """Give snapshots of the job until it is over.

        Args:
            job_id: The job.
            course: Takes note of each snapshot.
            check: Called between two looks; raises when there is no point in waiting (a component died).
        """
        while True:
            snapshot = self.job(job_id)
            course.record(snapshot, time.monotonic(), datetime.now(UTC))
            yield snapshot
            if snapshot.is_over:
                return
            check()
            time.sleep(POLL_SECONDS)


def _body(answer: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    if answer.is_error:
        code = body.get("code", answer.status_code)
        raise StackError(f"The API answered {code}: {body.get('detail') or body.get('title')}", {"code": str(code)})
    return body
