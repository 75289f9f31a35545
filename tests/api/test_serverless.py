"""The API as a Lambda function: events of API Gateway and of a load balancer."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from api.serverless import Handler
from data.database import Database
from data.repositories import AuditFilter, AuditRepository
from data.settings import Settings
from deployments.stack import Stack
from tests.fakes.catalogues import make_catalogue


def http_event(method: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
    """An event of an HTTP API (payload 2.0)."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "abc.execute-api.eu-west-1.amazonaws.com", "content-type": "application/json", **headers},
        "requestContext": {
            "http": {"method": method, "path": path, "sourceIp": "203.0.113.7", "protocol": "HTTP/1.1"},
            "stage": "$default",
            "requestId": "r1",
        },
        "body": orjson.dumps(body).decode() if body is not None else None,
        "isBase64Encoded": False,
    }


def balancer_event(path: str, **headers: str) -> dict[str, Any]:
    """An event of an Application Load Balancer."""
    return {
        "requestContext": {"elb": {"targetGroupArn": "arn:x"}},
        "httpMethod": "GET",
        "path": path,
        "queryStringParameters": {},
        "headers": {
            "host": "dailies.example",
            "x-forwarded-for": "203.0.113.7",
            "x-forwarded-port": "443",
            **headers,
        },
        "body": "",
        "isBase64Encoded": False,
    }


@pytest.fixture
def handler(tmp_path: Path, prefect_server: Stack) -> Iterator[Handler]:
    settings = Settings(home=tmp_path, _env_file=None)  # type: ignore[call-arg]
    make_catalogue(settings.catalogue_url)
    opened = Handler(settings, prefect_api_url=prefect_server.prefect_api_url)
    yield opened
    opened.close()


def test_events_of_gateways_and_balancers_are_answered(handler: Handler) -> None:
    alive = handler(http_event("GET", "/api/v1/health"), None)
    listed = handler(http_event("GET", "/api/v1/jobs"), None)
    refused = handler(http_event("POST", "/api/v1/jobs", {"source": ""}), None)
    balanced = handler(balancer_event("/api/v1/recipes"), None)

    assert (alive["statusCode"], alive["body"]) == (200, '{"status":"alive"}')
    assert listed["statusCode"] == 200, listed
    assert refused["statusCode"] == 422
    assert refused["headers"]["content-type"] == "application/problem+json"
    assert balanced["statusCode"] == 200


def test_the_application_starts_once_for_many_events(handler: Handler) -> None:
    first = handler._app.state.services
    for _ in range(5):
        assert handler(http_event("GET", "/api/v1/recipes"), None)["statusCode"] == 200

    assert handler._app.state.services is first


def test_the_audit_has_each_call_before_its_answer(handler: Handler, tmp_path: Path) -> None:
    handler(http_event("POST", "/api/v1/jobs", {"source": ""}), None)
    handler(http_event("GET", "/api/v1/jobs", authorization="Bearer nobody"), None)

    database = Database(Settings(home=tmp_path, _env_file=None).catalogue_url)
    with database.session() as session:
        found = [
            (each.entry.method, each.entry.status) for each in AuditRepository(session).page(AuditFilter(), limit=10)
        ]
    database.close()
    assert found == [("GET", 401), ("POST", 422)]


def test_of_a_balancers_list_of_addresses_only_its_own_word_counts(handler: Handler, tmp_path: Path) -> None:
    said = {"x-forwarded-for": "192.0.2.66, 203.0.113.7:4711", "forwarded": "for=192.0.2.66"}
    handler(balancer_event("/api/v1/jobs", authorization="Bearer nobody", **said), None)

    database = Database(Settings(home=tmp_path, _env_file=None).catalogue_url)
    with database.session() as session:
        [found] = AuditRepository(session).page(AuditFilter(), limit=10)
    database.close()
    assert found.entry.address == "203.0.113.7"


@pytest.mark.slow
def test_a_probe_does_not_load_the_client_of_prefect(tmp_path: Path) -> None:
    code = (
        "import sys, api.serverless as s, data.settings as d\n"
        f"h = s.Handler(d.Settings(home={str(tmp_path)!r}, _env_file=None))\n"
        f"assert h({http_event('GET', '/api/v1/health')!r}, None)['statusCode'] == 200\n"
        "print(sorted(m for m in ('prefect', 's3fs', 'pandas', 'alembic') if m in sys.modules))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert ended.stdout.strip() == "[]"


@pytest.fixture(autouse=True)
def _own_loop() -> Iterator[None]:
    yield
    asyncio.set_event_loop(None)
