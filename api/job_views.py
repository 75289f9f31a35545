"""Jobs as the API shows them: what Prefect knows, with what the catalogue knows."""

from api.dependencies import Services
from api.links import asset_url, job_url, prefect_run_url, watch_url
from api.schemas import Job, JobLinks
from data.domain.jobs import REVIEW_REASON, JobState


async def with_asset(job: Job, services: Services) -> Job:
    """Complete a job with what Prefect does not know."""
    return shown_job(job, await services.assets_of_jobs.get(job.id), services)


def shown_job(job: Job, asset_id: str | None, services: Services) -> Job:
    """Complete a job with what Prefect does not know: its asset, and where to go from it."""
    url = job_url(job.id)
    is_out = job.state is JobState.SUCCEEDED and job.reason != REVIEW_REASON
    links = JobLinks(
        self=url,
        logs=f"{url}/logs",
        history=f"{url}/history",
        asset=asset_url(asset_id) if asset_id else None,
        watch=watch_url(asset_id) if asset_id and is_out else None,
        prefect=prefect_run_url(services.settings.api.prefect_ui_url, job.id),
    )
    return job.model_copy(update={"asset_id": asset_id, "links": links})
