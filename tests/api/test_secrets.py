"""Secrets stay where they are set: not in logs, errors, descriptions, answers, or in what Prefect is told."""

import logging
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from pydantic import SecretStr

from data.settings import (
    CatalogueSettings,
    GenerationSettings,
    IngestSettings,
    LimitSettings,
    ProviderSettings,
    Settings,
    StorageSettings,
)
from deployments.stack import Stack
from tests.api.conftest import Prefect

SECRETS = {
    "provider key": "sk-planted-provider-1f2e",
    "S3 key": "AKIAPLANTED7",
    "S3 secret": "planted-s3-secret-9c8b",
    "catalogue password": "planted-db-password-77aa",
    "Redis password": "planted-redis-password-55",
    "token in a query": "planted-token-0d0d",
    "credential in a header": "planted-bearer-abab",
}


@pytest.fixture
def address(serve_api: Callable[[Settings, str], str], prefect_server: Stack, tmp_path: Path, prefect: Prefect) -> str:
    (tmp_path / "media").mkdir()
    settings = Settings(
        home=tmp_path,
        catalogue=CatalogueSettings(url=f"postgresql+psycopg://u:{SECRETS['catalogue password']}@127.0.0.1:1/x"),
        storage=StorageSettings(
            url="s3://bucket/prefix",
            endpoint_url="http://127.0.0.1:1",
            access_key=SecretStr(SECRETS["S3 key"]),
            secret_key=SecretStr(SECRETS["S3 secret"]),
        ),
        ingest=IngestSettings(allowed_roots=[tmp_path / "media"]),
        limits=LimitSettings(storage=SecretStr(f"redis://:{SECRETS['Redis password']}@127.0.0.1:1/0")),
        generation=GenerationSettings(
            providers=[
                ProviderSettings(
                    name="cloud",
                    engine="openai_videos",
                    url="https://provider.invalid/v1",
                    api_key=SecretStr(SECRETS["provider key"]),
                )
            ]
        ),
        _env_file=None,
    )
    return serve_api(settings, prefect_server.prefect_api_url)


def test_no_answer_no_log_and_no_parameter_holds_a_secret(
    address: str, prefect: Prefect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token, bearer = SECRETS["token in a query"], SECRETS["credential in a header"]
    headers = {"Authorization": f"Bearer {bearer}", "X-API-Key": bearer, "Cookie": f"session={bearer}"}
    shown: list[str] = []
    with caplog.at_level(logging.DEBUG), httpx.Client(base_url=address, headers=headers, timeout=60) as client:
        answers = [
            client.get(f"{path}?access_token={token}&api_key={token}")
            for path in (
                "/api/v1/openapi.json",
                "/api/v1/health/ready",
                "/api/v1/jobs",
                "/api/v1/jobs/nothing",
                "/api/v1/batches",
                "/api/v1/assets",
                "/api/v1/providers/status",
                "/api/v1/generations",
                "/api/v1/nowhere",
                "/docs",
            )
        ]
        del client.headers["Authorization"], client.headers["X-API-Key"]  # with them, nobody gets any further
        answers += [
            client.post("/api/v1/jobs", json={"source": str(tmp_path / "media" / "a.mp4"), "title": "planted"}),
            client.post("/api/v1/jobs", json={"source": "https://media.example/a.mp4?n=1", "api_key": bearer}),
            client.post("/api/v1/uploads", files={"file": b"abc"}),
            client.post("/api/v1/batches", json={"manifest": str(tmp_path / "media" / "a.csv")}),
            client.post("/api/v1/providers/nobody/reset"),
        ]
        shown = [each.text + str(each.headers) for each in answers]
    planted = FlowRunFilter(name=FlowRunFilterName(any_=["planted"]))
    runs = prefect.client.read_flow_runs(flow_run_filter=planted)
    told = "\n".join(f"{run.name} {run.parameters} {run.tags} {run.labels} {run.job_variables}" for run in runs)
    # The tests' own client logs what it sends; and libraries of the service log requests whole below INFO, which is
    # why `python -m api` never lets them.
    logged = "\n".join(
        record.getMessage() + (record.exc_text or "")
        for record in caplog.records
        if not record.name.startswith(("httpx", "httpcore"))
        and (record.levelno >= logging.INFO or record.name.startswith(("api", "data", "uvicorn", "prefect", "limits")))
    )

    assert len(runs) == 1
    for what, secret in SECRETS.items():
        assert secret not in told, f"Prefect was told the {what}"
        assert secret not in logged, f"the log holds the {what}"
        for text in shown:
            if secret == bearer and '"api_key"' in text:
                continue
            assert secret not in text, f"an answer holds the {what}: {text[:500]}"


def test_nobody_can_write_a_line_into_the_log(address: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        httpx.get(f"{address}/api/v1/assets/a%0d%0aWARNING%20forged%0a%1b[31m", headers={"X-Request-ID": "a b"})
        httpx.get(f"{address}/api/v1/batches/x%0a%0dforged")

    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("api", "data", "uvicorn"))]
    assert any("forged" in message for message in ours), ours
    assert [message for message in ours if set(message) & set("\r\n\x1b")] == []
