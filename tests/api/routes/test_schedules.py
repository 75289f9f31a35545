import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from data.domain.identity import Role
from tests.api.callers import Person, calling
from tests.api.conftest import Prefect
from tests.conftest import WaitUntil

SCHEDULES = "/api/v1/schedules"

Add = Callable[..., Any]


@pytest.fixture
def name() -> str:
    return f"night-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def add(api: httpx.Client, name: str) -> Add:
    def added(**body: Any) -> httpx.Response:
        return api.post(SCHEDULES, json={"name": name, "cron": "0 22 * * *", **body})

    return added


def test_a_schedule_is_one_of_prefects_own(api: httpx.Client, add: Add, name: str, prefect: Prefect) -> None:
    answer = add(time_zone="Europe/Berlin", manifest="/in/{date}.csv", options={"canary_items": 3})

    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"{SCHEDULES}/{name}"
    [made] = [
        each for each in prefect.client.read_deployment_by_name("process-batch/nightly").schedules if each.slug == name
    ]
    assert made.parameters == {"manifest": "/in/{date:Europe/Berlin}.csv", "options": {"canary_items": 3}}
    assert (made.active, made.schedule.timezone) == (True, "Europe/Berlin")


def test_the_next_runs_are_told_in_the_schedules_zone(
    api: httpx.Client, add: Add, name: str, wait_until: WaitUntil
) -> None:
    add(time_zone="Asia/Tokyo")

    wait_until(lambda: api.get(f"{SCHEDULES}/{name}").json()["next_runs"], 60, "Prefect to plan runs")

    next_runs = [datetime.fromisoformat(each) for each in api.get(f"{SCHEDULES}/{name}").json()["next_runs"]]
    assert len(next_runs) == 3
    assert {each.astimezone(ZoneInfo("Asia/Tokyo")).hour for each in next_runs} == {22}
    assert next_runs == sorted(next_runs)


def test_a_schedule_is_changed_switched_off_and_removed(api: httpx.Client, add: Add, name: str) -> None:
    url = f"{SCHEDULES}/{name}"
    add(manifest="/in/a.csv", batch_name="Nightly")

    changed = api.patch(url, json={"cron": "30 6 * * 1-5"}).json()
    off = api.patch(url, json={"is_active": False, "manifest": "/in/b.csv"}).json()
    removed = api.delete(url)

    assert (changed["cron"], changed["manifest"], changed["batch_name"]) == ("30 6 * * 1-5", "/in/a.csv", "Nightly")
    assert (off["is_active"], off["next_runs"], off["cron"]) == (False, [], "30 6 * * 1-5")
    assert (off["manifest"], off["batch_name"]) == ("/in/b.csv", "Nightly")
    assert removed.status_code == 204
    assert name not in [each["name"] for each in api.get(SCHEDULES).json()["items"]]


def test_batches_of_a_schedule_belong_to_whoever_makes_it_and_nobody_makes_one_for_another(
    locked_url: str, people: dict[Role, Person], name: str, prefect: Prefect
) -> None:
    ann = people[Role.OPERATOR]
    body = {"name": name, "cron": "0 22 * * *", "manifest": "/in/a.csv"}

    with calling(locked_url, ann) as client:
        made = client.post(SCHEDULES, json=body)
        changed = client.patch(f"{SCHEDULES}/{name}", json={"manifest": "/in/b.csv"})
        for_another = client.post(SCHEDULES, json={**body, "owner": people[Role.ADMIN].user.id})

    [known] = [
        each for each in prefect.client.read_deployment_by_name("process-batch/nightly").schedules if each.slug == name
    ]
    assert made.json()["owner"] == changed.json()["owner"] == ann.user.id
    assert known.parameters == {"manifest": "/in/b.csv", "owner": ann.user.id}
    assert for_another.status_code == 422


def test_people_see_their_own_schedules_page_by_page_and_an_admin_everybodys(
    locked_url: str, people: dict[Role, Person], add: Add, name: str
) -> None:
    of_nobody = add(is_active=False).json()["name"]
    with calling(locked_url, people[Role.OPERATOR]) as operator, calling(locked_url, people[Role.ADMIN]) as admin:
        for number in (2, 1):
            body = {"cron": "0 22 * * *", "is_active": False, "manifest": "/in/a.csv"}
            operator.post(SCHEDULES, json={"name": f"{name}-{number}", **body})

        taken = operator.post(SCHEDULES, json={"name": of_nobody, "cron": "0 22 * * *", "manifest": "/in/a.csv"})
        first = operator.get(SCHEDULES, params={"limit": 1}).json()
        rest = operator.get(SCHEDULES, params={"after": first["next"]}).json()
        everybodys = {each["name"] for each in admin.get(SCHEDULES).json()["items"]}

    mine = [each["name"] for each in [*first["items"], *rest["items"]]]
    assert mine == sorted(mine)
    assert {f"{name}-1", f"{name}-2"} <= set(mine)
    assert of_nobody not in mine
    assert {*mine, of_nobody} <= everybodys
    assert rest["next"] is None
    assert taken.status_code == 409


def test_only_an_administrators_schedule_takes_the_manifest_of_the_settings(
    locked_url: str, people: dict[Role, Person], name: str
) -> None:
    body = {"name": name, "cron": "0 22 * * *", "is_active": False}
    with calling(locked_url, people[Role.OPERATOR]) as operator, calling(locked_url, people[Role.ADMIN]) as admin:
        refused = operator.post(SCHEDULES, json=body)
        operator.post(SCHEDULES, json={**body, "manifest": "/in/a.csv"})
        emptied = operator.patch(f"{SCHEDULES}/{name}", json={"manifest": " "})
        by_admin = admin.patch(f"{SCHEDULES}/{name}", json={"manifest": ""})

    assert (refused.status_code, emptied.status_code, by_admin.status_code) == (422, 422, 200)
    assert "administrators" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"cron": "0 22"}, "5 fields"),
        ({"cron": "0 25 * * *"}, "no cron"),
        ({"time_zone": "Mars/Olympus"}, "IANA"),
        ({"name": "Not a name"}, "name"),
        ({"options": {"pack_seconds": -1}}, "pack_seconds"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(add: Add, body: dict[str, Any], says: str) -> None:
    answer = add(**body)

    assert answer.status_code == 422
    assert says in answer.json()["detail"]


def test_a_name_is_given_once(add: Add) -> None:
    add()

    again = add()

    assert (again.status_code, again.json()["code"]) == (409, "REQUEST.NAME_TAKEN")


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_an_unknown_schedule_is_not_found(api: httpx.Client, method: str, name: str) -> None:
    answer = api.request(method, f"{SCHEDULES}/{name}", json={} if method == "PATCH" else None)

    assert (answer.status_code, answer.json()["code"]) == (404, "REQUEST.NOT_FOUND")
