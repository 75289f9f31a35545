import httpx
import pytest

from api.edge.limiting import group_of, subject_of
from data.domain.identity import LOCAL_CALLER, Caller, Role
from data.settings import LimitSettings
from tests.api.edge.conftest import Serve


@pytest.mark.parametrize(
    ("method", "path", "group"),
    [
        ("GET", "/api/v1/jobs", "reads"),
        ("HEAD", "/api/v1/uploads/1", "reads"),
        ("GET", "/api/v1/jobs/search", "searches"),
        ("GET", "/api/v1/audit/verify", "searches"),
        ("POST", "/api/v1/search", "writes"),
        ("POST", "/api/v1/jobs", "writes"),
        ("DELETE", "/api/v1/jobs/1", "writes"),
        ("POST", "/api/v1/uploads", "uploads"),
        ("PUT", "/api/v1/uploads/1/parts/2", "uploads"),
        ("POST", "/api/v1/auth/token", "auth"),
        ("GET", "/api/v1/auth/me", "reads"),
    ],
)
def test_calls_count_by_their_kind(method: str, path: str, group: str) -> None:
    assert group_of(method, path) == group


def test_a_call_counts_against_the_key_else_the_user_else_the_address() -> None:
    scope = {"state": {"client": "203.0.113.7"}}
    user = Caller("u1", "Una", Role.OPERATOR, frozenset())
    with_key = Caller("u1", "Una", Role.OPERATOR, frozenset(), key_id="k1")

    assert subject_of(with_key, scope) == "key:k1"
    assert subject_of(user, scope) == "user:u1"
    assert subject_of(LOCAL_CALLER, scope) == "user:local"
    assert subject_of(None, scope) == "address:203.0.113.7"


def test_all_addresses_of_one_ipv6_network_count_as_one() -> None:
    one, other = ({"state": {"client": f"2001:db8:1:2::{host}"}} for host in ("1", "ffff:7"))

    assert subject_of(None, one) == subject_of(None, other) == "address:2001:db8:1:2::/64"


def test_every_limited_answer_says_where_its_caller_stands(serve: Serve) -> None:
    address = serve(LimitSettings(local="3/minute"))
    with httpx.Client(base_url=f"{address}/api/v1") as client:
        answers = [client.get("/recipes"), client.get("/jobs/nothing"), client.get("/recipes"), client.get("/recipes")]
        probe = client.get("/health")

    assert [each.status_code for each in answers] == [200, 404, 200, 429]
    assert [each.headers["RateLimit-Remaining"] for each in answers] == ["2", "1", "0", "0"]
    assert {each.headers["RateLimit-Limit"] for each in answers} == {"3"}
    refused = answers[-1]
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.headers["Retry-After"] == refused.headers["RateLimit-Reset"]
    assert refused.json()["code"] == "REQUEST.RATE_LIMITED"
    assert "RateLimit-Limit" not in probe.headers, "probes are not limited"


def test_reads_leave_room_for_writes(serve: Serve) -> None:
    address = serve(LimitSettings(local="1/minute"))

    assert httpx.get(f"{address}/api/v1/recipes").status_code == 200
    assert httpx.get(f"{address}/api/v1/recipes").status_code == 429
    assert httpx.post(f"{address}/api/v1/jobs", json={}).status_code == 422


def test_uploads_stay_within_the_quota_of_the_day(serve: Serve) -> None:
    url = f"{serve(LimitSettings(upload_bytes_a_day=500_000))}/api/v1/uploads"

    assert httpx.post(url, files={"file": b"a" * 300_000}).status_code == 201
    refused = httpx.post(url, files={"file": b"b" * 300_000})
    assert refused.status_code == 429
    assert refused.json()["code"] == "REQUEST.QUOTA_SPENT"
    assert int(refused.headers["Retry-After"]) > 0
    assert httpx.post(url, files={"file": b"c" * 100_000}).status_code == 201
    assert httpx.post(url, files={"file": b"d" * 400_000}).json()["facts"]["remaining"] == 100_000
