"""Schedules of batches: those of Prefect's deployment ``process-batch/nightly``, each with parameters of its own."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import DeploymentSchedule, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule, NoSchedule
from prefect.client.schemas.sorting import FlowRunSort

from api.gateway.translation import translated
from api.links import prefect_deployment_url, schedule_url
from api.schedule_schemas import Schedule, ScheduleChange, ScheduleRequest
from data.domain.dates import in_zone
from data.domain.errors import InvalidRequestError, NameTakenError, NotFoundError
from data.domain.identity import LOCAL_USER, Caller

NIGHTLY = "process-batch/nightly"
_SHOWN_RUNS = 3


class BatchSchedules:
    """The schedules, as a caller sees them. Lives as long as one request."""

    def __init__(self, client: PrefectClient, ui_url: str, caller: Caller) -> None:
        self._client = client
        self._ui_url = ui_url
        self._caller = caller

    async def all(self) -> tuple[Schedule, ...]:
        """Return the schedules that the caller sees, in no order."""
        deployment = await self._deployment()
        due = await self._due(deployment.id)
        return tuple(
            _shown(each, due.get(each.id, []), deployment.id, self._ui_url)
            for each in deployment.schedules
            if self._sees(each)
        )

    async def get(self, name: str) -> Schedule:
        """Return a schedule.

        Raises:
            NotFoundError: The caller has none of that name.
        """
        deployment = await self._deployment()
        found, due = self._named(deployment, name), await self._due(deployment.id)
        return _shown(found, due.get(found.id, []), deployment.id, self._ui_url)

    async def add(self, asked: ScheduleRequest) -> Schedule:
        """Make a schedule; its batches belong to the caller.

        Raises:
            NameTakenError: There is one of that name, whosever it is: Prefect tells them apart by it.
            InvalidRequestError: The cron is none, or the caller may not leave the manifest to the settings.
        """
        self._check_manifest(asked.manifest)
        deployment = await self._deployment()
        if any(_name(each) == asked.name for each in deployment.schedules):
            raise NameTakenError(f"There is a schedule {asked.name!r} already.", {"field": "name"})
        schedule = DeploymentScheduleCreate(
            schedule=_cron(asked.cron, asked.time_zone),
            active=asked.is_active,
            slug=asked.name,
            parameters=_parameters(
                {
                    "manifest": in_zone(asked.manifest, asked.time_zone),
                    "name": asked.batch_name,
                    "options": asked.options.model_dump(mode="json", exclude_defaults=True),
                    # Where nobody logs in, the owner that the settings name at the time of the batch.
                    "owner": "" if self._caller.id == LOCAL_USER else self._caller.id,
                }
            ),
        )
        with translated():
            await self._client.create_deployment_schedules(deployment.id, [schedule])
        return await self.get(asked.name)

    async def change(self, name: str, asked: ScheduleChange) -> Schedule:
        """Change a schedule.

        Raises:
            NotFoundError: The caller has none of that name.
            InvalidRequestError: The cron is none, the schedule is not one by cron, or the caller may not leave the
                manifest to the settings.
        """
        if asked.manifest is not None:
            self._check_manifest(asked.manifest)
        deployment = await self._deployment()
        found = self._named(deployment, name)
        with translated(f"There is no schedule {name!r}."):
            await self._client.update_deployment_schedule(
                deployment.id,
                found.id,
                active=asked.is_active,
                schedule=_changed_cron(found, asked),
                parameters=_changed_parameters(found, asked),
            )
        return await self.get(name)

    async def remove(self, name: str) -> None:
        """Delete a schedule, and the runs that Prefect has planned for it.

        Raises:
            NotFoundError: The caller has none of that name.
        """
        deployment = await self._deployment()
        found = self._named(deployment, name)
        with translated(f"There is no schedule {name!r}."):
            await self._client.delete_deployment_schedule(deployment.id, found.id)

    async def _deployment(self) -> DeploymentResponse:
        with translated(f"The deployment {NIGHTLY} does not exist yet: run the bootstrap.", missing=True):
            return await self._client.read_deployment_by_name(NIGHTLY)

    def _named(self, deployment: DeploymentResponse, name: str) -> DeploymentSchedule:
        for schedule in deployment.schedules:
            if name == _name(schedule) and self._sees(schedule):
                return schedule
        raise NotFoundError(f"There is no schedule {name!r}.", {"name": name})

    def _check_manifest(self, manifest: str) -> None:
        """Do nothing if the caller may make batches of it: what is in the settings is whose they say, not theirs."""
        if not manifest.strip() and not self._caller.sees_all:
            raise InvalidRequestError(
                "Name a manifest: only schedules of administrators take that of the settings.", {"field": "manifest"}
            )

    def _sees(self, schedule: DeploymentSchedule) -> bool:
        """One that names nobody, or whom it names only by an address, was made at Prefect: for admins alone."""
        return self._caller.owns(str(schedule.parameters.get("owner") or LOCAL_USER))

    async def _due(self, deployment_id: UUID) -> dict[UUID, list[datetime]]:
        """Return when runs are due, by schedule, soonest first."""
        with translated():
            runs = await self._client.read_flow_runs(
                flow_run_filter=FlowRunFilter(
                    state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))
                ),
                deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment_id])),
                sort=FlowRunSort.EXPECTED_START_TIME_ASC,
            )
        due: dict[UUID, list[datetime]] = {}
        for run in runs:
            if run.created_by is not None and run.created_by.id is not None and run.expected_start_time is not None:
                due.setdefault(run.created_by.id, []).append(run.expected_start_time)
        return due


def _shown(schedule: DeploymentSchedule, due: list[datetime], deployment_id: UUID, ui_url: str) -> Schedule:
    timing, parameters = schedule.schedule, schedule.parameters
    name = _name(schedule)
    return Schedule(
        name=name,
        cron=timing.cron if isinstance(timing, CronSchedule) else None,
        time_zone=_zone(schedule),
        is_active=schedule.active,
        owner=str(parameters.get("owner") or "") or None,
        manifest=str(parameters.get("manifest") or ""),
        batch_name=str(parameters.get("name") or ""),
        options=parameters.get("options") or {},
        next_runs=tuple(due[:_SHOWN_RUNS]) if schedule.active else (),
        links={"self": schedule_url(name), "prefect": prefect_deployment_url(ui_url, str(deployment_id))},
    )


def _name(schedule: DeploymentSchedule) -> str:
    return schedule.slug or str(schedule.id)


def _zone(schedule: DeploymentSchedule) -> str:
    timing = schedule.schedule
    return "UTC" if isinstance(timing, NoSchedule) else timing.timezone or "UTC"


def _cron(cron: str, time_zone: str) -> CronSchedule:
    try:
        return CronSchedule(cron=cron, timezone=time_zone)
    except ValueError as error:
        raise InvalidRequestError(
            f"{cron!r} is no cron: minute hour day month weekday, as `0 22 * * *` for 22:00.", {"field": "cron"}
        ) from error


def _changed_cron(schedule: DeploymentSchedule, asked: ScheduleChange) -> CronSchedule | None:
    if asked.cron is None and asked.time_zone is None:
        return None
    timing = schedule.schedule
    cron = asked.cron or (timing.cron if isinstance(timing, CronSchedule) else None)
    if cron is None:
        raise InvalidRequestError("This schedule is not one by cron: give a cron as well.", {"field": "cron"})
    return _cron(cron, asked.time_zone or _zone(schedule))


def _changed_parameters(schedule: DeploymentSchedule, asked: ScheduleChange) -> dict[str, Any]:
    """Return the parameters as they shall be, changed or not: Prefect 3.8 drops those that a change leaves out."""
    zone = asked.time_zone or _zone(schedule)
    given = {
        "manifest": None if asked.manifest is None else in_zone(asked.manifest, zone),
        "name": asked.batch_name,
        "options": asked.options and asked.options.model_dump(mode="json", exclude_defaults=True),
    }
    return _parameters({**schedule.parameters, **{name: value for name, value in given.items() if value is not None}})


def _parameters(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what says nothing: the deployment's own parameters hold there."""
    return {name: value for name, value in values.items() if value not in ("", {}, None)}
