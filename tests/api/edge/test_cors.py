import httpx

from api.edge.cors import is_open_to_all
from tests.api.edge.conftest import Serve

ORIGIN = "https://app.example"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, idempotency-key",
}


def test_by_default_no_other_site_may_call(serve: Serve) -> None:
    answer = httpx.get(f"{serve()}/api/v1/recipes", headers={"Origin": ORIGIN})

    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_listed_site_may_call_and_read_what_it_needs(serve: Serve) -> None:
    url = f"{serve(cors_origins=[ORIGIN])}/api/v1/jobs"
    preflight = httpx.options(url, headers={"Origin": ORIGIN, **PREFLIGHT})
    call = httpx.post(url, json={}, headers={"Origin": ORIGIN})
    other = httpx.options(url, headers={"Origin": "https://evil.example", **PREFLIGHT})

    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Access-Control-Allow-Credentials" not in preflight.headers
    assert "RateLimit-Remaining" in call.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Origin" not in other.headers


def test_an_open_list_is_told_apart() -> None:
    assert is_open_to_all(["*"])
    assert not is_open_to_all([ORIGIN])
