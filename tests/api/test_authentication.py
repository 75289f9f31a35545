"""Tokens and keys: what is taken, what is not, and what ends them. Over HTTP, as attackers would."""

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr

from data.credentials import hash_password, new_key
from data.database import Database
from data.domain.identity import Role
from data.repositories import ApiKeyRepository, UserRepository
from data.settings import AuthSettings, Settings
from deployments.stack import Stack
from tests.api.callers import BASE, PASSWORD, Person, log_in, make_user, person
from tests.api.conftest import Prefect, ServeApi

SECRET, OLD_SECRET = "the first of the secrets, which signs", "an older one, which is still taken"
ME = f"{BASE}/auth/me"


@pytest.fixture(scope="module")
def url(serve_api: ServeApi, settings: Settings, database: Database, prefect_server: Stack) -> str:
    auth = AuthSettings(required=True, secrets=[SecretStr(SECRET), SecretStr(OLD_SECRET)], sign_up="viewer")
    return serve_api(settings.model_copy(update={"auth": auth}), prefect_server.prefect_api_url)


@pytest.fixture(scope="module")
def api(url: str, prefect: Prefect) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60) as client:
        yield client


@pytest.fixture
def ann(api: httpx.Client, database: Database) -> Person:
    """A new operator for each test."""
    return person(api, database, f"ann.{uuid.uuid4().hex}", Role.OPERATOR)


@pytest.fixture(scope="module")
def token(api: httpx.Client, database: Database) -> str:
    """A good token, whose owner nothing happens to."""
    return person(api, database, f"eve.{uuid.uuid4().hex}", Role.OPERATOR).access


def me(api: httpx.Client, token: str) -> tuple[int, Any]:
    answer = api.get(ME, headers={"Authorization": f"Bearer {token}"})
    return answer.status_code, answer.json().get("code")


def refreshed(api: httpx.Client, token: str, **form: str) -> httpx.Response:
    return api.post(f"{BASE}/auth/token", data={"grant_type": "refresh_token", "refresh_token": token, **form})


def resigned(token: str, secret: str = SECRET, headers: dict[str, Any] | None = None, **claims: Any) -> str:
    """Return a token with other claims, signed by whoever knows the secret."""
    said = jwt.decode(token, options={"verify_signature": False})
    header = jwt.get_unverified_header(token)
    return jwt.encode({**said, **claims}, secret, "HS256", headers={"kid": header["kid"], **(headers or {})})


def part(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def unsigned(token: str) -> str:
    header = {**jwt.get_unverified_header(token), "alg": "none"}
    return f"{part(header)}.{token.split('.')[1]}."


def test_a_login_says_who_calls(api: httpx.Client, ann: Person) -> None:
    answer = api.get(ME, headers=ann.headers).json()

    assert (answer["id"], answer["role"], answer["scopes"]) == (ann.user.id, "operator", ["read", "write"])


def test_a_name_is_folded(api: httpx.Client, database: Database) -> None:
    make_user(database, "josé@example.com", Role.VIEWER)

    assert log_in(api, "  JOSE\u0301@Example.com ").status_code == 200


@pytest.mark.parametrize(
    ("forge", "code"),
    [
        (lambda token: resigned(token, exp=1_700_000_000), "AUTH.TOKEN.EXPIRED"),
        (lambda token: resigned(token, "another secret, of the same length", sub="x"), "AUTH.TOKEN.INVALID"),
        (lambda token: token[:-4] + "AAAA", "AUTH.TOKEN.INVALID"),
        (unsigned, "AUTH.TOKEN.INVALID"),
        (lambda token: resigned(token, aud="somebody-else"), "AUTH.TOKEN.INVALID"),
        (lambda token: resigned(token, iss="somebody-else"), "AUTH.TOKEN.INVALID"),
        (lambda token: resigned(token, headers={"kid": "unknown"}), "AUTH.TOKEN.INVALID"),
        (lambda token: resigned(token, scope="read everything"), "AUTH.TOKEN.INVALID"),
        (lambda token: resigned(token, iat=int(datetime.now(UTC).timestamp()) + 3600), "AUTH.TOKEN.INVALID"),
        (lambda token: "a.b.c", "AUTH.TOKEN.INVALID"),
        (lambda token: f"{part({'alg': 'HS256', 'kid': []})}.{part({})}.", "AUTH.TOKEN.INVALID"),
        (lambda token: f"{base64.urlsafe_b64encode(b'[' * 20_000).decode()}.a.b", "AUTH.TOKEN.INVALID"),
        (lambda token: "dk_00000000_nothing", "AUTH.CREDENTIALS.INVALID"),
    ],
)
def test_a_token_that_is_not_right_is_refused(
    api: httpx.Client, token: str, forge: Callable[[str], str], code: str
) -> None:
    answer = api.get(ME, headers={"Authorization": f"Bearer {forge(token)}"})

    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_other_ways_to_say_who_one_is_are_refused(api: httpx.Client) -> None:
    assert api.get(ME, auth=("ann", PASSWORD)).status_code == 401
    assert api.get(ME, headers={"X-API-Key": "ann"}).status_code == 401


def test_an_older_secret_is_still_taken(
    api: httpx.Client, ann: Person, serve_api: ServeApi, settings: Settings
) -> None:
    auth = AuthSettings(required=True, secrets=[SecretStr(OLD_SECRET)])
    with httpx.Client(base_url=serve_api(settings.model_copy(update={"auth": auth}), ""), timeout=60) as before:
        token = log_in(before, ann.user.name).json()["access_token"]

        assert me(api, token)[0] == 200
        assert me(before, ann.access) == (401, "AUTH.TOKEN.INVALID")


def test_an_unknown_name_and_a_wrong_password_are_answered_alike(api: httpx.Client, ann: Person) -> None:
    wrong = log_in(api, ann.user.name, password="something else")
    unknown = log_in(api, "nobody-of-that-name")

    assert wrong.status_code == unknown.status_code == 400
    assert {**wrong.json(), "request_id": ""} == {**unknown.json(), "request_id": ""}
    assert wrong.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": "password", "scope": "everything"}, "invalid_scope"),
        ({"grant_type": "refresh_token", "refresh_token": "dr_unknown"}, "invalid_grant"),
    ],
)
def test_refusals_speak_oauth(api: httpx.Client, form: dict[str, str], error: str) -> None:
    answer = api.post(f"{BASE}/auth/token", data=form)

    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_scopes_narrow_and_never_widen(api: httpx.Client, ann: Person) -> None:
    narrow = log_in(api, ann.user.name, scope="read").json()
    wide = log_in(api, ann.user.name, scope="read write admin").json()
    again = refreshed(api, narrow["refresh_token"], scope="read write").json()
    none = log_in(api, ann.user.name, scope="admin")

    assert (narrow["scope"], wide["scope"], again["scope"]) == ("read", "read write", "read")
    assert none.json()["error"] == "invalid_scope"
    headers = {"Authorization": f"Bearer {narrow['access_token']}"}
    assert api.post(f"{BASE}/jobs", json={"prompt": "a"}, headers=headers).status_code == 403


def test_a_role_that_shrinks_takes_its_tokens_along(api: httpx.Client, ann: Person, database: Database) -> None:
    with database.session() as session:
        UserRepository(session).set_role(ann.user.id, Role.VIEWER)

    assert api.get(ME, headers=ann.headers).json()["scopes"] == ["read"]


def test_a_refresh_token_is_good_for_one_use(api: httpx.Client, ann: Person) -> None:
    following = refreshed(api, ann.refresh).json()

    assert following["refresh_token"] != ann.refresh
    assert me(api, following["access_token"])[0] == 200
    assert refreshed(api, following["refresh_token"]).status_code == 200


def test_a_stolen_refresh_token_used_twice_closes_the_whole_login(api: httpx.Client, ann: Person) -> None:
    thiefs = refreshed(api, ann.refresh).json()
    elsewhere = log_in(api, ann.user.name).json()

    owners = refreshed(api, ann.refresh)

    assert (owners.status_code, owners.json()["error"]) == (400, "invalid_grant")
    assert refreshed(api, thiefs["refresh_token"]).status_code == 400
    for token in (thiefs["access_token"], ann.access):
        assert me(api, token) == (401, "AUTH.TOKEN.REVOKED")
    assert me(api, elsewhere["access_token"])[0] == 200


def test_an_access_token_is_revoked_alone_and_a_refresh_token_with_its_login(api: httpx.Client, ann: Person) -> None:
    other = refreshed(api, ann.refresh).json()

    assert api.post(f"{BASE}/auth/revoke", data={"token": ann.access}).status_code == 200
    assert me(api, ann.access) == (401, "AUTH.TOKEN.REVOKED")
    assert me(api, other["access_token"])[0] == 200

    api.post(f"{BASE}/auth/revoke", data={"token": other["refresh_token"]})
    assert me(api, other["access_token"]) == (401, "AUTH.TOKEN.REVOKED")
    assert refreshed(api, other["refresh_token"]).status_code == 400
    assert api.post(f"{BASE}/auth/revoke", data={"token": "none of ours"}).status_code == 200


def test_leaving_everywhere_ends_all_logins_and_no_key(api: httpx.Client, ann: Person) -> None:
    key = api.post(f"{BASE}/api-keys", json={"name": "import"}, headers=ann.headers).json()["key"]
    other = log_in(api, ann.user.name).json()

    assert api.post(f"{BASE}/auth/logout-everywhere", headers=ann.headers).status_code == 204

    assert me(api, ann.access) == me(api, other["access_token"]) == (401, "AUTH.TOKEN.REVOKED")
    assert refreshed(api, other["refresh_token"]).status_code == 400
    assert me(api, key)[0] == 200


@pytest.fixture(scope="module")
def admin(api: httpx.Client, database: Database) -> Person:
    return person(api, database, "the-admin-of-tokens", Role.ADMIN)


def test_a_disabled_user_is_out_and_their_keys_are_until_they_are_in_again(
    api: httpx.Client, ann: Person, admin: Person
) -> None:
    key = api.post(f"{BASE}/api-keys", json={"name": "import"}, headers=ann.headers).json()["key"]

    def change(**change: Any) -> httpx.Response:
        return api.patch(f"{BASE}/users/{ann.user.id}", json=change, headers=admin.headers).raise_for_status()

    assert change(is_disabled=True).json()["disabled_at"]
    assert me(api, ann.access) == me(api, key) == (401, "AUTH.USER.DISABLED")
    assert log_in(api, ann.user.name).json()["error"] == "invalid_grant"
    assert refreshed(api, ann.refresh).status_code == 400

    change(is_disabled=False)
    assert me(api, ann.access) == (401, "AUTH.TOKEN.REVOKED")
    assert me(api, key)[0] == log_in(api, ann.user.name).status_code == 200


def test_a_new_password_ends_the_logins(api: httpx.Client, ann: Person, admin: Person) -> None:
    url = f"{BASE}/users/{ann.user.id}"
    short = api.patch(url, json={"password": "too short"}, headers=admin.headers)
    api.patch(url, json={"password": "quite another one"}, headers=admin.headers).raise_for_status()

    assert (short.status_code, short.json()["facts"]["field"]) == (422, "password")
    assert me(api, ann.access) == (401, "AUTH.TOKEN.REVOKED")
    assert log_in(api, ann.user.name).status_code == 400
    assert log_in(api, ann.user.name, password="quite another one").status_code == 200


def test_people_change_their_password_which_ends_the_logins_but_the_one_that_it_gives(
    api: httpx.Client, ann: Person
) -> None:
    change = {"old_password": PASSWORD, "new_password": "another horse, another battery"}

    wrong = api.post(f"{BASE}/auth/password", json={**change, "old_password": "a guess"}, headers=ann.headers)
    short = api.post(f"{BASE}/auth/password", json={**change, "new_password": "short"}, headers=ann.headers)
    changed = api.post(f"{BASE}/auth/password", json=change, headers=ann.headers)

    assert [wrong.status_code, short.status_code, changed.status_code] == [422, 422, 200]
    assert changed.headers["Cache-Control"] == "no-store"
    assert me(api, ann.access) == (401, "AUTH.TOKEN.REVOKED")
    assert refreshed(api, ann.refresh).status_code == 400
    assert me(api, changed.json()["access_token"])[0] == 200
    assert log_in(api, ann.user.name).status_code == 400


def test_a_key_changes_no_password(api: httpx.Client, ann: Person) -> None:
    key = api.post(f"{BASE}/api-keys", json={"name": "k"}, headers=ann.headers).json()["key"]
    change = {"old_password": PASSWORD, "new_password": "another horse, another battery"}

    answer = api.post(f"{BASE}/auth/password", json=change, headers={"X-API-Key": key})

    assert (answer.status_code, answer.json()["code"]) == (403, "AUTH.SCOPE.MISSING")


def test_a_hash_that_is_out_of_date_is_made_anew_at_the_next_login(
    api: httpx.Client, ann: Person, database: Database
) -> None:
    with database.session() as session:
        UserRepository(session).upgrade_hash(ann.user.id, PasswordHasher(time_cost=1, memory_cost=8192).hash(PASSWORD))

    assert log_in(api, ann.user.name).status_code == 200

    with database.session() as session:
        kept = UserRepository(session).password_hash(ann.user.id)
    assert kept is not None
    assert kept.split("$")[3] == hash_password(PASSWORD).split("$")[3]
    assert me(api, ann.access)[0] == 200


def test_people_sign_up_where_that_is_open_as_what_it_is_open_for(api: httpx.Client, url: str) -> None:
    body = {"name": "New.Person@Example.com", "password": PASSWORD}
    answer = api.post(f"{BASE}/auth/signup", json=body)

    assert (answer.status_code, answer.json()["name"], answer.json()["role"]) == (
        201,
        "new.person@example.com",
        "viewer",
    )
    assert PASSWORD not in answer.text
    assert api.post(f"{BASE}/auth/signup", json=body).json()["code"] == "REQUEST.NAME_TAKEN"
    assert api.post(f"{BASE}/auth/signup", json={**body, "role": "admin"}).status_code == 422
    assert api.post(f"{BASE}/auth/signup", json={"name": "a b", "password": PASSWORD}).status_code == 422


def test_a_key_is_shown_once_and_says_when_it_was_used(api: httpx.Client, ann: Person) -> None:
    made = api.post(f"{BASE}/api-keys", json={"name": "import"}, headers=ann.headers)
    key = made.json()
    answer = api.get(ME, headers={"X-API-Key": key["key"]}).json()
    [listed] = api.get(f"{BASE}/api-keys", headers=ann.headers).json()["items"]

    assert made.headers["Cache-Control"] == "no-store"
    assert key["key"].startswith(key["prefix"] + "_")
    assert (answer["id"], answer["key_id"]) == (ann.user.id, key["id"])
    assert key["key"] not in json.dumps(listed)
    assert listed["last_used_at"] is not None


def test_a_key_may_do_no_more_than_its_maker_and_makes_no_keys(api: httpx.Client, ann: Person) -> None:
    narrow = log_in(api, ann.user.name, scope="read").json()["access_token"]
    headers = {"Authorization": f"Bearer {narrow}"}

    made = api.post(f"{BASE}/api-keys", json={"name": "k"}, headers=headers).json()
    more = [
        api.post(f"{BASE}/api-keys", json={"name": "k", "scopes": ["write"]}, headers=headers),
        api.post(f"{BASE}/api-keys", json={"name": "k", "scopes": ["admin"]}, headers=ann.headers),
        api.post(f"{BASE}/api-keys", json={"name": "k", "scopes": []}, headers=ann.headers),
        api.post(f"{BASE}/api-keys", json={"name": "k", "user_id": "0"}, headers=ann.headers),
        api.post(f"{BASE}/api-keys", json={"name": "k"}, headers={"X-API-Key": made["key"]}),
        api.get(f"{BASE}/api-keys", params={"user_id": "0"}, headers=ann.headers),
    ]

    assert made["scopes"] == ["read"]
    assert [answer.status_code for answer in more] == [422, 422, 422, 403, 403, 403]


def test_a_key_is_capped_by_a_role(api: httpx.Client, admin: Person) -> None:
    body = {"name": "import", "role_cap": "operator"}
    key = api.post(f"{BASE}/api-keys", json=body, headers=admin.headers).json()
    answer = api.get(ME, headers={"X-API-Key": key["key"]}).json()

    assert (answer["role"], answer["scopes"]) == ("operator", ["read", "write"])
    assert api.get(f"{BASE}/users", headers={"X-API-Key": key["key"]}).status_code == 403


def test_an_admin_makes_and_revokes_others_keys(api: httpx.Client, ann: Person, admin: Person) -> None:
    body = {"name": "import", "user_id": ann.user.id}
    key = api.post(f"{BASE}/api-keys", json=body, headers=admin.headers).json()
    listed = api.get(f"{BASE}/api-keys", params={"user_id": ann.user.id}, headers=admin.headers).json()["items"]

    assert key["scopes"] == ["read", "write"]
    assert [each["id"] for each in listed] == [key["id"]]
    assert me(api, key["key"])[0] == 200
    assert api.delete(f"{BASE}/api-keys/{key['id']}", headers=admin.headers).status_code == 204
    assert me(api, key["key"]) == (401, "AUTH.TOKEN.REVOKED")


def test_a_key_expires(api: httpx.Client, ann: Person, database: Database) -> None:
    over = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    refused = api.post(f"{BASE}/api-keys", json={"name": "k", "expires_at": over}, headers=ann.headers)
    drawn = new_key()
    with database.session() as session:
        ApiKeyRepository(session).create(
            ann.user.id,
            name="old",
            prefix=drawn.prefix,
            secret_sha256=drawn.sha256,
            scopes=[],
            expires_at=datetime.fromisoformat(over),
        )

    assert refused.status_code == 422
    assert me(api, drawn.secret) == (401, "AUTH.TOKEN.EXPIRED")


def test_a_key_revokes_itself_and_no_other(api: httpx.Client, ann: Person) -> None:
    one, other = (api.post(f"{BASE}/api-keys", json={"name": "k"}, headers=ann.headers).json() for _ in range(2))
    headers = {"X-API-Key": one["key"]}

    assert api.delete(f"{BASE}/api-keys/{other['id']}", headers=headers).status_code == 403
    assert api.post(f"{BASE}/auth/revoke", data={"token": one["key"]}).status_code == 200
    assert me(api, one["key"]) == (401, "AUTH.TOKEN.REVOKED")
    assert me(api, other["key"])[0] == 200


def test_admins_list_users_page_by_page(api: httpx.Client, admin: Person, ann: Person) -> None:
    seen: list[str] = []
    after = None
    while True:
        query = {"limit": "2", **({"after": after} if after else {})}
        page = api.get(f"{BASE}/users", params=query, headers=admin.headers).json()
        seen += [user["id"] for user in page["items"]]
        assert "hash" not in json.dumps(page)
        after = page["next"]
        if after is None:
            break

    assert seen[0] == ann.user.id
    assert admin.user.id in seen
    assert len(seen) == len(set(seen))
