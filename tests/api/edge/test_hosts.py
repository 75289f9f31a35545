import httpx
import pytest

from api.edge.hosts import AllowedHosts, allowed_hosts
from data.settings import ApiSettings
from tests.api.edge.conftest import Serve


async def nothing(*_: object) -> None:
    raise AssertionError


@pytest.mark.parametrize(
    ("host", "is_taken"),
    [
        ("dailies.example", True),
        ("DAILIES.example.", True),
        ("dailies.example:8443", True),
        ("a.sub.example", True),
        ("a.b.sub.example", True),
        ("sub.example", False),
        ("evil.example", False),
        ("dailies.example.evil.example", False),
        ("", False),
    ],
)
def test_only_listed_names_are_taken(host: str, is_taken: bool) -> None:
    guard = AllowedHosts(nothing, allowed_hosts(ApiSettings(allowed_hosts=["dailies.example", "*.sub.example"])))

    assert guard._allows(host.lower().partition(":")[0].rstrip(".")) is is_taken


def test_a_page_that_points_its_name_at_this_machine_gets_nothing(serve: Serve) -> None:
    address = serve(public_url="https://dailies.example/x")
    with httpx.Client(base_url=address) as client:
        rebound = client.get("/api/v1/recipes", headers={"Host": "rebound.evil.example"})

        assert rebound.status_code == 421
        assert rebound.json()["code"] == "REQUEST.HOST"
        assert rebound.headers["X-Request-ID"] == rebound.json()["request_id"]
        for name in ("localhost:1", "127.0.0.1", "[::1]:8000", "dailies.example"):
            assert client.get("/api/v1/recipes", headers={"Host": name}).status_code == 200


def test_probes_may_call_by_any_address(serve: Serve) -> None:
    assert httpx.get(f"{serve()}/api/v1/health", headers={"Host": "10.2.3.4:8000"}).status_code == 200
