"""Every refusal is a problem as RFC 9457 has it, whoever raises it."""

import json
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import StreamingResponse

import data.domain.errors as errors
from api.errors import error_problem, install_error_handlers
from api.middleware import RequestContext
from data.domain.errors import DailiesError, OrchestratorUnavailableError


def tree(kind: type[DailiesError]) -> Iterator[type[DailiesError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


EVERY_ERROR = sorted(
    {kind for kind in tree(DailiesError) if kind.__module__ == errors.__name__}, key=lambda k: k.__name__
)


@pytest.mark.parametrize("kind", EVERY_ERROR)
def test_every_error_of_the_tree_is_answered_with_its_own_status_and_code(kind: type[DailiesError]) -> None:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/x",
        "headers": [],
        "query_string": b"",
        "state": {"request_id": "r"},
    }
    answer = error_problem(Request(scope), kind("It went wrong.", {"width": 7}))

    problem = json.loads(answer.body)
    assert answer.status_code == problem["status"] == kind.http_status
    assert answer.media_type == "application/problem+json"
    assert problem["code"] == kind.code
    assert problem["type"] == f"urn:dailies:problem:{kind.code.lower()}"
    assert problem["detail"] == "It went wrong."
    assert problem["facts"] == {"width": 7}
    assert problem["request_id"] == "r"
    assert problem["title"]


def test_a_problem_does_not_tell_where_files_lie() -> None:
    facts: dict[str, errors.Fact] = {"path": "/var/lib/store/a.mp4", "tails": ["in /tmp/x/log"], "field": "source"}
    error = errors.StoreUnavailableError("Permission denied: '/var/lib/my store/a.mp4'.", facts)
    scope = {"type": "http", "method": "GET", "path": "/api/v1/jobs", "headers": [], "query_string": b""}

    problem = json.loads(error_problem(Request(scope), error).body)

    assert problem["detail"] == "Permission denied: '…/a.mp4'."
    assert problem["facts"] == {"path": "…/a.mp4", "tails": ["in …/log"], "field": "source"}
    assert problem["instance"] == "/api/v1/jobs"


@pytest.fixture(scope="module")
def app() -> FastAPI:
    app = FastAPI()
    install_error_handlers(app)
    app.add_middleware(RequestContext)

    @app.get("/number/{number}")
    async def number(number: int, limit: int = 1) -> int:
        return number

    @app.post("/body")
    async def body(body: dict[str, int]) -> dict[str, int]:
        return body

    @app.get("/bug")
    async def bug() -> None:
        raise RuntimeError("secret inside")

    @app.get("/away")
    async def away() -> None:
        raise OrchestratorUnavailableError("Prefect does not answer.")

    @app.get("/broken-stream")
    async def broken_stream() -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"a"
            raise RuntimeError("in the middle")

        return StreamingResponse(chunks())

    return app


async def ask(app: FastAPI, method: str, path: str, **options: object) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path, **options)  # type: ignore[arg-type]


pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_wrong_parameter_names_its_field(app: FastAPI) -> None:
    answer = await ask(app, "GET", "/number/one?limit=x")

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "REQUEST.INVALID")
    assert [(each["in"], each["field"]) for each in problem["errors"]] == [("path", "number"), ("query", "limit")]


async def test_a_wrong_field_of_a_body_has_a_json_pointer(app: FastAPI) -> None:
    answer = await ask(app, "POST", "/body", json={"a/b": "x"})

    assert answer.json()["errors"][0]["pointer"] == "#/a~1b"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "REQUEST.NOT_FOUND"),
        ("DELETE", "/body", 405, "REQUEST.METHOD_NOT_ALLOWED"),
        ("GET", "/away", 503, "INFRA.PREFECT.UNAVAILABLE"),
        ("GET", "/bug", 500, "INFRA.UNKNOWN"),
    ],
)
async def test_whatever_is_refused_is_a_problem(app: FastAPI, method: str, path: str, status: int, code: str) -> None:
    answer = await ask(app, method, path)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert answer.json()["instance"] == path


async def test_a_broken_json_body_is_a_problem(app: FastAPI) -> None:
    answer = await ask(app, "POST", "/body", content=b"{", headers={"Content-Type": "application/json"})

    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_method_that_is_not_there_says_which_are(app: FastAPI) -> None:
    assert (await ask(app, "DELETE", "/body")).headers["Allow"] == "POST"


async def test_an_unexpected_error_tells_nothing_of_its_inside(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    answer = await ask(app, "GET", "/bug")

    assert "secret" not in answer.text
    assert "secret inside" in caplog.text
    assert answer.headers["X-Request-ID"] in caplog.text


async def test_what_is_away_says_when_to_come_back(app: FastAPI) -> None:
    assert (await ask(app, "GET", "/away")).headers["Retry-After"] == "5"


async def test_a_stream_that_breaks_is_cut_not_ended(app: FastAPI) -> None:
    with pytest.raises(RuntimeError, match="in the middle"):
        await ask(app, "GET", "/broken-stream")
