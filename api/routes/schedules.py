"""Schedules: batches that are made by the clock. They are Prefect's own, and can be changed in its UI as well."""

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Response

from api.access import allow
from api.cursors import page_by_name
from api.dependencies import Services, ServicesDependency
from api.links import schedule_url
from api.routes.jobs import After, Limit
from api.schedule_schemas import Schedule, ScheduleChange, ScheduleRequest, Schedules
from api.schemas import Problem
from data.domain.identity import Scope

if TYPE_CHECKING:
    from api.gateway.schedules import BatchSchedules

router = APIRouter(prefix="/schedules", tags=["schedules"])

NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem}}
INVALID: dict[int | str, dict[str, Any]] = {422: {"model": Problem}}
REFUSED: dict[int | str, dict[str, Any]] = {409: {"model": Problem}, **INVALID}


@router.get("", dependencies=[allow(Scope.READ)], operation_id="list_schedules", responses=INVALID)
async def all_schedules(services: ServicesDependency, after: After = None, limit: Limit = 200) -> Schedules:
    """List your schedules by name, with the next times at which each makes a batch; admins see everybody's."""
    page, following = page_by_name(await _schedules(services).all(), after, limit)
    return Schedules(items=page, next=following)


@router.post("", dependencies=[allow(Scope.WRITE)], status_code=201, responses=REFUSED)
async def add_schedule(body: ScheduleRequest, services: ServicesDependency, response: Response) -> Schedule:
    """Make a schedule; its batches are yours, and your webhooks are told of them.

    A night on which nothing ran is made up for when the machine is back, as Prefect does.
    """
    schedule = await _schedules(services).add(body)
    response.headers["Location"] = schedule_url(schedule.name)
    return schedule


@router.get("/{name}", dependencies=[allow(Scope.READ)], operation_id="get_schedule", responses=NOT_FOUND)
async def one_schedule(name: str, services: ServicesDependency) -> Schedule:
    """Show a schedule."""
    return await _schedules(services).get(name)


@router.patch("/{name}", dependencies=[allow(Scope.WRITE)], responses={**NOT_FOUND, **REFUSED})
async def change_schedule(name: str, body: ScheduleChange, services: ServicesDependency) -> Schedule:
    """Change a schedule, or switch it off and on; what is not given stays, and so does whose it is."""
    return await _schedules(services).change(name, body)


@router.delete("/{name}", dependencies=[allow(Scope.WRITE)], status_code=204, responses=NOT_FOUND)
async def remove_schedule(name: str, services: ServicesDependency) -> None:
    """Delete a schedule; batches that it has made go on."""
    await _schedules(services).remove(name)


def _schedules(services: Services) -> "BatchSchedules":
    return services.gateway.schedules(services.settings.api.prefect_ui_url)
