"""Answers about jobs that are told again."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import orjson

from api.coalescing import CoalescedReads
from api.job_answers import JobAnswers, job_answer
from api.links import PREFIX
from api.schemas import Job
from data.domain.jobs import JobState

SERVICES: Any = SimpleNamespace(settings=SimpleNamespace(api=SimpleNamespace(prefect_ui_url="http://127.0.0.1:4200")))


def a_job(**facts: Any) -> Job:
    given = {"id": "1", "title": "one", "owner": "local", "state": JobState.RUNNING, "attempt": 1, "progress": 0.1}
    return Job.model_validate({**given, "created_at": datetime(2026, 1, 1, tzinfo=UTC), "priority": "low", **facts})


def test_an_equal_job_is_answered_with_the_same_bytes() -> None:
    answers = JobAnswers()

    assert answers.of(a_job(), None, SERVICES) is answers.of(a_job(), None, SERVICES)


def test_what_has_changed_is_told_and_has_another_etag() -> None:
    answers = JobAnswers()
    first = answers.of(a_job(), None, SERVICES)
    further = answers.of(a_job(progress=0.2), None, SERVICES)
    with_asset = answers.of(a_job(progress=0.2), "asset", SERVICES)

    assert len({first.etag, further.etag, with_asset.etag}) == 3
    assert orjson.loads(further.body)["progress"] == 0.2
    assert orjson.loads(with_asset.body)["asset_id"] == "asset"


def test_callers_below_another_path_get_links_of_their_own() -> None:
    answers = JobAnswers()
    plain = answers.of(a_job(), None, SERVICES)
    token = PREFIX.set("/dailies")
    below = answers.of(a_job(), None, SERVICES)
    PREFIX.reset(token)

    assert orjson.loads(plain.body)["links"]["self"] == "/api/v1/jobs/1"
    assert orjson.loads(below.body)["links"]["self"] == "/dailies/api/v1/jobs/1"


def test_a_job_that_has_just_succeeded_is_told_with_its_asset() -> None:
    recorded: dict[str, str] = {}

    async def read(job_ids: Sequence[str]) -> dict[str, str]:
        return {job_id: recorded[job_id] for job_id in job_ids if job_id in recorded}

    async def asked_while_it_ends() -> tuple[Any, Any]:
        reads = CoalescedReads(read, keep_seconds=60)
        services: Any = SimpleNamespace(settings=SERVICES.settings, assets_of_jobs=reads)
        before = await job_answer(a_job(id="ends"), services)
        recorded["ends"] = "asset"
        after = await job_answer(a_job(id="ends", state=JobState.SUCCEEDED), services)
        await reads.close()
        return orjson.loads(before.body)["asset_id"], orjson.loads(after.body)["asset_id"]

    assert asyncio.run(asked_while_it_ends()) == (None, "asset")
