"""Jobs as they are sent: the same job is not made into JSON again for everybody who asks."""

import asyncio
from collections import OrderedDict

import orjson
from starlette.responses import Response

from api.conditional import JOB_DECIDED_BY, Told, told
from api.dependencies import Services
from api.job_views import shown_job
from api.links import PREFIX
from api.schemas import Job, Page
from data.domain.jobs import JobState

MOST_KEPT = 512


class JobAnswers:
    """The latest answer about each job, below each path by which callers reach the API. Lives as long as the process.

    An answer is told again only of an equal job with the same asset; whose it is was looked at before.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, str], tuple[Job, str | None, Told]] = OrderedDict()

    def of(self, job: Job, asset_id: str | None, services: Services) -> Told:
        """Return the answer about a job."""
        key = (job.id, PREFIX.get(), services.settings.api.prefect_ui_url)
        kept = self._kept.get(key)
        if kept is not None and kept[1] == asset_id and (kept[0] is job or kept[0] == job):
            return kept[2]
        answer = told(shown_job(job, asset_id, services), JOB_DECIDED_BY)
        self._kept[key] = (job, asset_id, answer)
        self._kept.move_to_end(key)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return answer


async def job_answer(job: Job, services: Services) -> Told:
    """Return the answer about a job."""
    return _ANSWERS.of(job, await _asset_of(job, services), services)


async def page_answer(page: Page[Job], services: Services) -> Response:
    """Return the answer that lists jobs."""
    assets = await asyncio.gather(*(_asset_of(job, services) for job in page.items))
    answers = [_ANSWERS.of(job, asset_id, services) for job, asset_id in zip(page.items, assets, strict=True)]
    document = {"items": [orjson.Fragment(answer.body) for answer in answers], "next": page.next}
    return Response(orjson.dumps(document), media_type="application/json")


async def _asset_of(job: Job, services: Services) -> str | None:
    """Return the asset that a job works on; one that has succeeded has one, whatever was found a moment before."""
    asset_id = await services.assets_of_jobs.get(job.id)
    if asset_id is None and job.state is JobState.SUCCEEDED:
        services.assets_of_jobs.forget(job.id)
        asset_id = await services.assets_of_jobs.get(job.id)
    return asset_id


_ANSWERS = JobAnswers()
