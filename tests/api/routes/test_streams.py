"""Streams over HTTP: a job is followed to its end, left without a trace, and ends with the server."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from prefect.client.schemas.objects import State, StateType

from data.settings import Settings
from deployments.stack import Stack
from flows.__main__ import main
from tests.api.conftest import Prefect, ServeApi
from tests.fakes.processes import free_ports, wait_until

Submit = Callable[..., dict[str, Any]]


def stream_of(job: dict[str, Any]) -> str:
    return f"/api/v1/jobs/{job['id']}/stream"


def events(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    event: dict[str, Any] = {}
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if name in ("id", "event", "retry"):
            event[name] = value
        elif name == "data":
            event["data"] = json.loads(value)
        elif not line and event:
            yield event
            event = {}


def test_a_job_is_followed_to_its_end(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    job = submit()
    heard = []

    with api.stream("GET", stream_of(job)) as answer:
        told = events(answer)
        heard.append(next(told))
        prefect.start(job["id"])
        prefect.force(job["id"], State(type=StateType.FAILED, message="[DATA.INPUT.CORRUPT] broken"))
        heard += told

    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.headers["X-Request-ID"]
    assert [each["data"]["state"] for each in heard if each["event"] == "state"][-1] == "failed"
    assert heard[-1]["event"] == "end"
    assert heard[-1]["data"]["reason"] == "DATA.INPUT.CORRUPT"
    assert len({each["id"] for each in heard}) == len(heard)


def test_who_has_heard_the_end_need_not_come_back(api: httpx.Client, submit: Submit, prefect: Prefect) -> None:
    job = submit()
    prefect.force(job["id"], State(type=StateType.CANCELLED))
    with api.stream("GET", stream_of(job)) as answer:
        [*_, last] = events(answer)

    again = api.get(stream_of(job), headers={"Last-Event-ID": last["id"]})

    assert again.status_code == 204


def test_a_job_that_is_not_there_and_an_id_that_is_none_are_refused(api: httpx.Client, submit: Submit) -> None:
    missing = api.get(f"/api/v1/jobs/{uuid.uuid4()}/stream")
    odd = api.get(stream_of(submit()), headers={"Last-Event-ID": "17"})

    assert (missing.status_code, missing.json()["code"]) == (404, "REQUEST.NOT_FOUND")
    assert (odd.status_code, odd.json()["facts"]) == (422, {"field": "Last-Event-ID"})


def test_no_more_streams_than_the_setting_and_none_leaks(
    serve_api: ServeApi, settings: Settings, api: httpx.Client, submit: Submit, prefect_server: Stack
) -> None:
    few = settings.model_copy(update={"api": settings.api.model_copy(update={"stream_clients": 1})})
    url, job = serve_api(few, prefect_server.prefect_api_url), submit()

    with httpx.Client(base_url=url, timeout=30) as client, httpx.Client(base_url=url, timeout=30) as other:
        with client.stream("GET", stream_of(job)) as answer:
            told = events(answer)
            next(told)
            refused = other.get(stream_of(job))

        def comes_in() -> bool:
            with other.stream("GET", stream_of(job)) as again:
                return again.status_code == 200

        wait_until(comes_in, 20, "the place of who went away to be free")

    assert (refused.status_code, refused.json()["code"]) == (503, "REQUEST.STREAMS.BUSY")
    assert refused.headers["Retry-After"]


def test_streams_end_when_the_server_stops(settings: Settings, submit: Submit, prefect_server: Stack) -> None:
    port, job = free_ports(1)[0], submit()
    environment = {
        **os.environ,
        "DAILIES_HOME": str(settings.home),
        "DAILIES_API__PORT": str(port),
        "PREFECT_API_URL": prefect_server.prefect_api_url,
    }
    process = subprocess.Popen([sys.executable, "-m", "api"], env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            wait_until(lambda: _answers(client), 60, "the API to answer")
            with client.stream("GET", stream_of(job)) as answer:
                told = events(answer)
                next(told)
                process.send_signal(signal.SIGTERM)
                last = [each["event"] for each in told][-1]
        assert process.wait(8) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()

    assert last == "reconnect"


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/api/v1/health").is_success
    except httpx.TransportError:
        return False


def test_the_command_line_follows_the_stream(
    api: httpx.Client, submit: Submit, prefect: Prefect, capsys: pytest.CaptureFixture[str]
) -> None:
    job = submit(title="followed")
    prefect.start(job["id"])
    prefect.force(job["id"], State(type=StateType.COMPLETED))

    status = main(["job", "watch", job["id"], "--api", str(api.base_url)])

    assert status == 0
    assert "succeeded" in capsys.readouterr().out
