"""Who may call what, and see whose: every route × role × owner, on a real API where everybody must log in."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from api.access import is_guarded, needed_scopes
from api.app import create_app
from api.openapi import describe
from data.database import Database
from data.domain.identity import ROLE_SCOPES, Role, Scope, owner_tag
from data.settings import Settings
from tests.api.callers import Person, calling, log_in, make_user, person
from tests.api.conftest import Prefect
from tests.api.route_table import BASE, TABLE, Row
from tests.api.things import NOBODY, Things


@pytest.fixture(scope="module")
def locked(locked_url: str, prefect: Prefect) -> Iterator[httpx.Client]:
    """A client that has not said who it is."""
    with httpx.Client(base_url=locked_url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def things(database: Database, prefect: Prefect) -> Things:
    return Things(database, prefect)


@pytest.fixture(scope="module")
def stranger(database: Database) -> str:
    """The id of a user who owns what is another's."""
    return make_user(database, "a-stranger", Role.OPERATOR).id


def routes() -> dict[tuple[str, str], Any]:
    app = create_app(Settings(_env_file=None))
    found = {}
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        for method in getattr(route, "methods", None) or {"GET"}:
            found[method, context.path or ""] = route
    return {key: route for key, route in found.items() if key[0] != "HEAD"}


ROUTES = routes()


def call(client: httpx.Client, method: str, path: str, row: Row, number: str) -> httpx.Response:
    named = path.replace("{path:path}", "x").replace("{number}", "1").replace("{version}", "1")
    for name in (
        "job_id",
        "batch_id",
        "asset_id",
        "key_id",
        "user_id",
        "generation_id",
        "endpoint_id",
        "delivery_id",
        "name",
    ):
        named = named.replace(f"{{{name}}}", number)
    return client.request(method, named.replace("{name}", number), **row.request)


def refused_as(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_the_table_has_every_route_and_no_other() -> None:
    assert set(ROUTES) == set(TABLE)


@pytest.mark.parametrize(("method", "path"), sorted(ROUTES))
def test_every_route_declares_what_it_needs(method: str, path: str) -> None:
    route, row = ROUTES[method, path], TABLE[method, path]

    assert is_guarded(route) == (row.scope != "anyone")
    assert needed_scopes(route) == ({row.scope} if isinstance(row.scope, Scope) else frozenset())


def test_the_document_has_every_route_with_its_scopes() -> None:
    paths = describe(create_app(Settings(_env_file=None)))["paths"]
    pages = {("GET", f"{BASE}/openapi.json"), ("GET", "/watch/{asset_id}"), ("GET", "/console"), ("GET", "/docs")}

    shown = {(method.upper(), path) for path, operations in paths.items() for method in operations}
    assert shown == {(method, path.replace(":path", "")) for method, path in set(TABLE) - pages}

    for (method, path), row in TABLE.items():
        operation = paths.get(path.replace(":path", ""), {}).get(method.lower())
        if operation is not None and isinstance(row.scope, Scope):
            assert operation["security"] == [{"OAuth2": [row.scope]}, {"ApiKey": [row.scope]}], (method, path)
            assert {"401", "403"} <= set(operation["responses"]), (method, path)


@pytest.mark.parametrize(("method", "path"), sorted(TABLE))
def test_who_does_not_say_who_they_are_sees_what_is_public_alone(locked: httpx.Client, method: str, path: str) -> None:
    row = TABLE[method, path]

    answer = call(locked, method, path, row, NOBODY)

    if row.scope == "anyone":
        assert answer.status_code not in (401, 403) or "/signup" in path
    else:
        assert refused_as(answer) == (401, "AUTH.REQUIRED")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(("method", "path"), sorted(key for key, row in TABLE.items() if row.scope != "anyone"))
def test_a_role_may_do_what_it_may_and_with_its_own_alone(
    method: str,
    path: str,
    role: Role,
    locked_url: str,
    locked: httpx.Client,
    database: Database,
    people: dict[Role, Person],
    things: Things,
    stranger: str,
) -> None:
    row, who = TABLE[method, path], people[role]
    if path.endswith("logout-everywhere"):
        who = person(locked, database, f"leaves-{role.value}", role)
    with calling(locked_url, who) as client:
        own = call(client, method, path, row, things.make(row.thing, who.user.id))
        others_id = things.make(row.thing, stranger)
        others = call(client, method, path, row, others_id) if row.thing else own

        assert own.status_code < 500
        assert own.status_code != 401
        if isinstance(row.scope, Scope) and row.scope not in ROLE_SCOPES[role]:
            assert refused_as(own) == refused_as(others) == (403, "AUTH.SCOPE.MISSING")
            assert row.scope in own.headers["WWW-Authenticate"]
            return
        assert own.status_code != 403
        if not row.thing:
            return
        assert (own.status_code == 404) == row.lacks, own.text
        if role is Role.ADMIN:
            assert others.status_code == own.status_code
        else:
            missing = call(client, method, path, row, NOBODY)
            assert refused_as(others) == refused_as(missing) == (404, "REQUEST.NOT_FOUND")
            assert others.json()["detail"] == missing.json()["detail"].replace(NOBODY, others_id)


@pytest.mark.parametrize(("thing", "path"), [("job", "jobs"), ("batch", "batches"), ("asset", "assets")])
def test_lists_have_ones_own_and_an_admins_everybodys(
    thing: str, path: str, locked_url: str, people: dict[Role, Person], things: Things, stranger: str
) -> None:
    mine, others = things.make(thing, people[Role.OPERATOR].user.id), things.make(thing, stranger)

    def seen(role: Role) -> set[str]:
        with calling(locked_url, people[role]) as client:
            return {each["id"] for each in client.get(f"{BASE}/{path}", params={"limit": 200}).json()["items"]}

    assert mine in seen(Role.OPERATOR)
    assert others not in seen(Role.OPERATOR)
    assert {mine, others} <= seen(Role.ADMIN)


def test_an_admin_with_a_narrowed_token_sees_their_own_alone(
    locked: httpx.Client, database: Database, things: Things, stranger: str
) -> None:
    make_user(database, "narrowed-admin", Role.ADMIN)
    token = log_in(locked, "narrowed-admin", scope="read").json()["access_token"]

    answer = locked.get(f"{BASE}/jobs/{things.make('job', stranger)}", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 404


def test_what_is_handed_in_is_its_callers(locked_url: str, people: dict[Role, Person]) -> None:
    operator = people[Role.OPERATOR]
    with calling(locked_url, operator) as client:
        job = client.post(f"{BASE}/jobs", json={"prompt": "a rabbit"}).json()
        batch = client.post(f"{BASE}/batches", files={"manifest": ("n.csv", b"custom_id,source\na,/a.mp4\n")}).json()

    assert job["owner"] == batch["owner"] == operator.user.id


def test_the_run_that_feeds_a_batch_is_its_owners(
    locked_url: str, people: dict[Role, Person], prefect: Prefect
) -> None:
    operator = people[Role.OPERATOR]
    with calling(locked_url, operator) as client:
        batch = client.post(f"{BASE}/batches", files={"manifest": ("n.csv", b"custom_id,source\na,/a.mp4\n")}).json()

    [run] = prefect.feeds(batch["id"])
    assert owner_tag(operator.user.id) in run.tags


def test_anothers_upload_is_no_source(locked_url: str, people: dict[Role, Person]) -> None:
    with calling(locked_url, people[Role.OPERATOR]) as client:
        source = client.post(f"{BASE}/uploads", files={"file": ("clip.mp4", b"0")}).json()["source"]
        mine = client.post(f"{BASE}/jobs", json={"source": source})
    with calling(locked_url, people[Role.ADMIN]) as client:
        others = client.post(f"{BASE}/jobs", json={"source": source})
        never = client.post(f"{BASE}/jobs", json={"source": "upload:000000000000000000000000"})

    assert mine.status_code == 202
    assert refused_as(others) == refused_as(never) == (422, "DATA.SOURCE.NOT_FOUND")


def test_two_callers_may_use_the_same_idempotency_key(locked_url: str, people: dict[Role, Person]) -> None:
    jobs = []
    for role in (Role.OPERATOR, Role.ADMIN):
        with calling(locked_url, people[role]) as client:
            headers = {"Idempotency-Key": "the-same"}
            jobs.append(client.post(f"{BASE}/jobs", json={"prompt": "a rabbit"}, headers=headers).json()["id"])

    assert len(set(jobs)) == 2


def test_a_laptop_needs_no_login_and_refuses_a_wrong_one(api: httpx.Client) -> None:
    assert api.get(f"{BASE}/auth/me").json()["id"] == "local"
    assert api.get(f"{BASE}/users").status_code == 200

    wrong = api.get(f"{BASE}/jobs", headers={"Authorization": "Bearer nonsense"})

    assert refused_as(wrong) == (401, "AUTH.TOKEN.INVALID")
