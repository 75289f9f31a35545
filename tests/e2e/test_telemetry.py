"""One request through the real stack: its spans are one tree, its log lines carry its trace, the audit has it all."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from data.domain.webhooks import new_secret
from deployments.environment import isolated
from deployments.stack import Stack
from tasks.media.tools import find_tools
from tests.conftest import WaitUntil
from tests.fakes.job_client import JobClient
from tests.fakes.trace_collector import TraceCollector, trace_collector
from tests.fakes.webhook_receiver import Receiver, receiving

pytestmark = pytest.mark.slow

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def collector() -> Iterator[TraceCollector]:
    with trace_collector() as running:
        yield running


@pytest.fixture(scope="module")
def observed(state_home: Callable[[str], Path], collector: TraceCollector) -> Iterator[Stack]:
    home = state_home("observed")
    (home / "inbox").mkdir()
    environment = {
        **isolated(),
        "DAILIES_TRACING__ENDPOINT": collector.endpoint,
        "DAILIES_LOG_FORMAT": "json",
        "DAILIES_WEBHOOKS__ALLOW_PRIVATE_HOSTS": "true",
    }
    with Stack(home, environment=environment) as stack:
        yield stack


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving(new_secret()) as running:
        yield running


@pytest.fixture(scope="module")
def job(observed: Stack, receiver: Receiver) -> Iterator[dict[str, Any]]:
    source = observed.home / "inbox" / "bars.mp4"
    command = [str(find_tools().ffmpeg), "-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=12"]
    command += ["-f", "lavfi", "-i", "sine=frequency=330", "-t", "3", "-c:v", "libx264", "-preset", "ultrafast"]
    subprocess.run([*command, "-pix_fmt", "yuv420p", "-c:a", "aac", str(source)], check=True)
    jobs = JobClient(observed.api_url)
    jobs.http.headers["traceparent"] = f"00-{TRACE}-b7ad6b7169203331-01"
    webhook = {"url": receiver.url, "secret": receiver.secret}
    yield jobs.succeed(str(source), recipe="quick", webhooks=[webhook])
    jobs.close()


def test_from_request_to_ffmpeg_the_spans_are_one_tree(
    job: dict[str, Any], collector: TraceCollector, wait_until: WaitUntil
) -> None:
    def paths() -> list[list[str]]:
        return [collector.path(each) for each in collector.trace(TRACE)]

    wait_until(lambda: any(path[-1] == "publish" and path[0] == "POST /api/v1/jobs" for path in paths()), 30, "spans")
    wait_until(lambda: any(path[-1] == job["title"] for path in paths()), 30, "the span of the run")

    of_ffmpeg = [path for path in paths() if path[-1] == "ffmpeg"]
    assert of_ffmpeg
    assert {path[0] for path in of_ffmpeg} == {"POST /api/v1/jobs"}
    # FastAPI's own spans lie between request and run.
    assert any(path[-3:] == [job["title"], "transcode", "ffmpeg"] for path in of_ffmpeg), paths()
    # All that the run did; the API's other spans are of the caller, who looks at the job in the same trace.
    of_run = [span for span in collector.trace(TRACE) if span.service == "dailies-flows"]
    assert {collector.path(span)[0] for span in of_run} == {"POST /api/v1/jobs"}


def test_webhooks_are_of_the_same_tree_and_take_it_on_to_who_is_told(
    job: dict[str, Any], receiver: Receiver, collector: TraceCollector, wait_until: WaitUntil
) -> None:
    def paths() -> list[list[str]]:
        return [collector.path(span) for span in collector.trace(TRACE) if span.name == "webhook"]

    wait_until(lambda: any(hook.type == "job.succeeded" for hook in receiver.of(job["id"])), 30, "the last event")
    wait_until(lambda: len(paths()) >= len(receiver.of(job["id"])), 30, "the spans of all deliveries")

    assert {path[0] for path in paths()} == {"POST /api/v1/jobs"}
    sent = [hook.traceparent.split("-") for hook in receiver.of(job["id"])]
    assert {trace for _, trace, _, _ in sent} == {TRACE}
    assert {span for _, _, span, _ in sent} <= {span.span_id for span in collector.spans if span.name == "webhook"}


def lines(stack: Stack, name: str) -> list[dict[str, Any]]:
    text = (stack.home / "log" / f"{name}.log").read_text()
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_log_lines_of_api_and_flows_carry_trace_job_and_asset(observed: Stack, job: dict[str, Any]) -> None:
    of_request = [each for each in lines(observed, "api") if each.get("trace_id") == TRACE]
    of_run = [each for each in lines(observed, "cpu-worker") if each.get("job_id") == job["id"]]

    assert any(each.get("route") == "/api/v1/jobs" and each["status"] == 202 for each in of_request)
    assert any(each.get("asset_id") == job["asset_id"] for each in of_run)
    assert {each["trace_id"] for each in of_run if "trace_id" in each} == {TRACE}


def test_the_log_of_a_job_stays_readable(observed: Stack, job: dict[str, Any]) -> None:
    jobs = JobClient(observed.api_url)

    text = jobs.log_text(job["id"])
    jobs.close()

    assert "Encoding with" in text
    assert "{" not in text.splitlines()[0]


def test_the_audit_has_the_request_and_the_run_in_one_timeline(
    observed: Stack, job: dict[str, Any], wait_until: WaitUntil
) -> None:
    jobs = JobClient(observed.api_url)

    def timeline() -> list[dict[str, Any]]:
        entries = jobs.http.get("/api/v1/audit", params={"limit": 200}).json()["items"]
        return [each for each in reversed(entries) if job["id"] in (each["job"], each["resource"])]

    wait_until(lambda: any(each["to_state"] == "succeeded" for each in timeline()), 30, "the run's end in the audit")

    assert any(each["method"] == "POST" for each in timeline())
    assert next(each["to_state"] for each in timeline() if each["job"]) == "queued"
    assert {each["trace_id"] for each in timeline() if each["job"]} == {TRACE}
    assert jobs.http.get("/api/v1/audit/verify").json()["ok"]
    jobs.close()


def test_what_steps_did_is_in_the_metrics(observed: Stack, job: dict[str, Any], wait_until: WaitUntil) -> None:
    jobs = JobClient(observed.api_url)

    def text() -> str:
        return jobs.http.get("/api/v1/metrics").text

    wait_until(lambda: 'dailies_steps_total{step="transcode"} 1.0' in text(), 30, "the step's cost")

    found = text()
    assert 'dailies_workers{pool="cpu"} 1.0' in found
    assert 'dailies_run_transitions_total{kind="job",reason="",state="succeeded"}' in found
    jobs.close()
