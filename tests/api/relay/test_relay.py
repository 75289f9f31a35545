"""From a state of Prefect's to a receiver: the real server, the real relay, and a receiver that verifies."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from prefect.client.schemas.objects import State, StateType

from data.domain.jobs import REVIEW_STATE
from data.domain.webhooks import new_secret
from data.settings import IngestSettings, Settings, WebhookSettings
from deployments.stack import Stack
from tests.api.conftest import Prefect, ServeApi
from tests.conftest import WaitUntil
from tests.fakes.catalogues import make_catalogue
from tests.fakes.webhook_receiver import Receiver, receiving

FAST = WebhookSettings(
    allow_private_hosts=True, retry_seconds=[0, 0.05, 0.05, 0.05, 0.05], timeout_seconds=5, poll_seconds=0.1
)
Submit = Callable[..., str]


@pytest.fixture(scope="module")
def told(
    tmp_path_factory: pytest.TempPathFactory, serve_api: ServeApi, prefect_server: Stack, prefect: Prefect
) -> Iterator[httpx.Client]:
    """An API whose relay delivers to this machine."""
    home = tmp_path_factory.mktemp("told")
    (home / "media").mkdir()
    settings = Settings(home=home, ingest=IngestSettings(allowed_roots=[home / "media"]), webhooks=FAST, _env_file=None)
    make_catalogue(settings.catalogue_url)
    with httpx.Client(base_url=serve_api(settings, prefect_server.prefect_api_url), timeout=60) as client:
        client.headers["x-media"] = str(home / "media")
        yield client


@pytest.fixture
def submit(told: httpx.Client) -> Submit:
    def handed_in(**body: Any) -> str:
        answer = told.post("/api/v1/jobs", json={"source": f"{told.headers['x-media']}/clip.mp4", **body})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    return handed_in


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(new_secret()) as running:
        yield running


@pytest.fixture
def endpoint(told: httpx.Client, receiver: Receiver) -> Iterator[str]:
    """An endpoint of everything, at the receiver."""
    answer = told.post("/api/v1/webhooks", json={"url": receiver.url, "secret": receiver.secret})
    assert answer.status_code == 201, answer.text
    yield answer.json()["id"]
    told.delete(f"/api/v1/webhooks/{answer.json()['id']}")


def types(receiver: Receiver, job: str) -> list[str]:
    return [hook.type for hook in receiver.of(job)]


def test_every_transition_of_a_job_is_told_in_order(
    submit: Submit, receiver: Receiver, endpoint: str, prefect: Prefect, wait_until: WaitUntil
) -> None:
    job = submit(title="A clip", metadata={"order": 7})
    prefect.start(job)
    prefect.force(job, State(type=StateType.PAUSED, name="Suspended"))
    prefect.force(job, State(type=StateType.SCHEDULED, name="Resuming"))
    prefect.start(job)
    prefect.force(job, State(type=StateType.SCHEDULED, name="AwaitingRetry"))
    prefect.start(job)
    prefect.force(job, State(type=StateType.COMPLETED, name=REVIEW_STATE))

    expected = ["queued", "started", "paused", "resumed", "started", "retrying", "started", "in_review"]
    wait_until(lambda: len(receiver.of(job)) == len(expected), 30, "all events")
    assert types(receiver, job) == [f"job.{each}" for each in expected]
    assert [hook.data["sequence"] for hook in receiver.of(job)] == list(range(1, 9))
    last = receiver.of(job)[-1]
    assert (last.data["title"], last.data["metadata"], last.data["attempt"]) == ("A clip", {"order": 7}, 3)
    assert last.data["links"]["job"].endswith(f"/api/v1/jobs/{job}")
    assert "source" not in last.data


def test_a_job_brings_receivers_of_its_own(
    submit: Submit, told: httpx.Client, receiver: Receiver, prefect: Prefect, wait_until: WaitUntil
) -> None:
    with receiving(new_secret()) as other:
        job = submit(
            webhooks=[
                {"url": receiver.url, "secret": receiver.secret},
                {"url": other.url, "secret": other.secret, "events": ["job.failed"]},
            ]
        )
        prefect.start(job)
        prefect.force(job, State(type=StateType.FAILED, message="[DATA.INPUT.CORRUPT] broken at /srv/a/b/c.mp4"))

        wait_until(lambda: len(receiver.of(job)) == 3 and len(other.of(job)) == 1, 30, "all events")
    failed = other.of(job)[0]
    assert (failed.type, failed.data["reason"]) == ("job.failed", "DATA.INPUT.CORRUPT")
    assert "/srv" not in failed.data["message"]
    assert len(told.get(f"/api/v1/jobs/{job}").json()["webhooks"]) == 2
    assert len({hook.id for hook in (*receiver.of(job), failed)}) == 3


def test_what_fails_holds_back_what_follows_and_is_tried_again(
    submit: Submit, receiver: Receiver, endpoint: str, prefect: Prefect, wait_until: WaitUntil
) -> None:
    receiver.reply = lambda hook: 500 if len(receiver.refused) < 3 else 200
    job = submit()
    prefect.start(job)
    prefect.force(job, State(type=StateType.COMPLETED))

    wait_until(lambda: len(receiver.of(job)) == 3, 30, "all events")
    assert types(receiver, job) == ["job.queued", "job.started", "job.succeeded"]
    assert {hook.type for hook in receiver.refused} == {"job.queued"}


def test_a_delivery_that_failed_for_good_is_found_and_replayed_under_its_id(
    submit: Submit, told: httpx.Client, receiver: Receiver, endpoint: str, wait_until: WaitUntil
) -> None:
    receiver.reply = lambda _: 302
    job = submit()
    query = {"state": "failed", "endpoint_id": endpoint, "job_id": job}

    def failed() -> list[dict[str, Any]]:
        return list(told.get("/api/v1/webhooks/deliveries", params=query).json()["items"])

    wait_until(failed, 30, "the last try")
    [delivery] = failed()
    receiver.reply = lambda _: 200
    detail = told.get(f"/api/v1/webhooks/deliveries/{delivery['id']}").json()
    told.post(f"/api/v1/webhooks/deliveries/{delivery['id']}/replay")

    wait_until(lambda: len(receiver.of(job)) == 1, 30, "the replay")
    assert (delivery["attempts"], delivery["last_status"]) == (5, 302)
    assert [each["status"] for each in detail["tries"]] == [302] * 5
    assert receiver.of(job)[0].id == delivery["event_id"] == receiver.refused[0].id


def test_gone_switches_off_and_what_was_missed_is_replayed_when_it_is_on_again(
    submit: Submit, told: httpx.Client, receiver: Receiver, endpoint: str, prefect: Prefect, wait_until: WaitUntil
) -> None:
    url = f"/api/v1/webhooks/{endpoint}"
    since = told.get(url).json()["created_at"]
    receiver.reply = lambda _: 410
    job = submit()
    wait_until(lambda: told.get(url).json()["disabled_reason"] == "gone", 30, "the end")
    refusal = told.post(f"{url}/test")
    receiver.reply = lambda _: 200
    told.post(f"{url}/enable")
    replayed = told.post(f"{url}/replay", json={"since": since})

    wait_until(lambda: len(receiver.of(job)) == 1, 30, "the replay")
    assert (refusal.status_code, refusal.json()["facts"]["allowed"]) == (409, ["enable"])
    assert replayed.json() == {"count": 1}


def test_one_that_is_busy_is_left_alone_for_as_long_as_it_asks(
    submit: Submit, told: httpx.Client, receiver: Receiver, endpoint: str, wait_until: WaitUntil
) -> None:
    receiver.reply = lambda _: 503 if not receiver.refused else 200
    receiver.answer_headers["Retry-After"] = "1"
    job = submit()
    wait_until(lambda: receiver.refused, 30, "a refusal")
    [delivery] = told.get("/api/v1/webhooks/deliveries", params={"job_id": job}).json()["items"]

    wait_until(lambda: len(receiver.of(job)) == 1, 30, "the second try")
    kept = f"/api/v1/webhooks/deliveries/{delivery['id']}"
    wait_until(lambda: len(told.get(kept).json()["tries"]) == 2, 30, "the record of both")
    first, second = (httpx_time(each["at"]) for each in told.get(kept).json()["tries"])
    assert second - first >= 1


def httpx_time(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def test_while_secrets_change_both_sign(
    told: httpx.Client, receiver: Receiver, endpoint: str, wait_until: WaitUntil
) -> None:
    url = f"/api/v1/webhooks/{endpoint}"
    rotated = told.post(f"{url}/rotate-secret", json={"overlap_seconds": 3600}).json()
    told.post(f"{url}/test")
    wait_until(lambda: len(receiver.hooks) == 1, 30, "the test, by the old secret")
    receiver.secret = rotated["secret"]
    told.post(f"{url}/test")

    wait_until(lambda: len(receiver.hooks) == 2, 30, "the test, by the new one")
    assert [hook.signatures for hook in receiver.hooks] == [2, 2]
    assert told.get(f"{url}/secret").json()["secret"] == rotated["secret"]
    assert "secret" not in told.get(url).json()


def test_a_job_that_is_deleted_has_been_told_of(
    submit: Submit, told: httpx.Client, receiver: Receiver, endpoint: str, prefect: Prefect, wait_until: WaitUntil
) -> None:
    job = submit()
    prefect.force(job, State(type=StateType.CANCELLED))
    told.delete(f"/api/v1/jobs/{job}")

    wait_until(lambda: len(receiver.of(job)) == 2, 30, "both events")
    assert types(receiver, job) == ["job.queued", "job.cancelled"]
