"""The schedules of batches over a registration: what people made of them stays, and settings switch them on.

``prefect deploy`` sets the schedules of ``prefect.yaml`` back to what stands there; and should one have no slug (the
Prefect UI makes such), it deletes all others. So they are read before and put right afterwards.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, VariableCreate, VariableUpdate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from data.settings import BatchSettings

NIGHTLY = "process-batch/nightly"
WATCH = "watch-folder/every-minute"
SWITCHES = "dailies_schedules"
"""Prefect variable: what the settings named when schedules were last switched by them."""


@contextmanager
def kept_schedules(client: SyncPrefectClient) -> Iterator[None]:
    """Keep the schedules as they are while the deployments are registered anew."""
    before = {name: _named(client, deployment) for name in (NIGHTLY, WATCH) if (deployment := _read(client, name))}
    yield
    for name, schedules in before.items():
        deployment = client.read_deployment_by_name(name)
        now = {schedule.slug: schedule for schedule in deployment.schedules}
        for schedule in schedules:
            _put_back(client, deployment, schedule, now.get(schedule.slug))


def switch_by_settings(client: SyncPrefectClient, batch: BatchSettings) -> None:
    """Switch the schedules on for which the settings now name something to take, and off where they no more do.

    Only when that has changed: in between a person's word holds.
    """
    folder = str(batch.watched_folder or "")
    wanted = {NIGHTLY: batch.nightly_manifest or folder, WATCH: folder}
    known = client.read_variable_by_name(SWITCHES)
    before = known.value if known and isinstance(known.value, dict) else {}
    for name, what in wanted.items():
        if what != before.get(name, ""):
            _switch(client, client.read_deployment_by_name(name), is_active=bool(what))
    if known is None:
        client.create_variable(VariableCreate(name=SWITCHES, value=wanted))
    elif before != wanted:
        client.update_variable(VariableUpdate(name=SWITCHES, value=wanted))


def _read(client: SyncPrefectClient, name: str) -> DeploymentResponse | None:
    try:
        return client.read_deployment_by_name(name)
    except ObjectNotFound:
        return None


def _named(client: SyncPrefectClient, deployment: DeploymentResponse) -> list[DeploymentSchedule]:
    """Give slugs to those that have none, and return all."""
    for schedule in deployment.schedules:
        if schedule.slug is None:
            schedule.slug = f"unnamed-{str(schedule.id)[:8]}"
            _update(client, deployment, schedule, schedule)
    return deployment.schedules


def _put_back(
    client: SyncPrefectClient,
    deployment: DeploymentResponse,
    before: DeploymentSchedule,
    now: DeploymentSchedule | None,
) -> None:
    if now is None:
        made = DeploymentScheduleCreate(
            schedule=before.schedule, active=before.active, slug=before.slug, parameters=before.parameters
        )
        client.create_deployment_schedules(deployment.id, [made])
    elif (now.schedule, now.active, now.parameters) != (before.schedule, before.active, before.parameters):
        _update(client, deployment, now, before)


def _switch(client: SyncPrefectClient, deployment: DeploymentResponse, *, is_active: bool) -> None:
    """Switch the deployment's own schedule, the one of ``prefect.yaml``."""
    own = deployment.name
    for schedule in deployment.schedules:
        if schedule.slug == own and schedule.active is not is_active:
            _update(client, deployment, schedule, schedule.model_copy(update={"active": is_active}))


def _update(
    client: SyncPrefectClient, deployment: DeploymentResponse, which: DeploymentSchedule, wanted: DeploymentSchedule
) -> None:
    # All of it: Prefect 3.8 drops the parameters of a schedule that is changed without naming them.
    client.update_deployment_schedule(
        deployment.id,
        which.id,
        active=wanted.active,
        schedule=wanted.schedule,
        parameters=wanted.parameters,
        slug=wanted.slug,
    )
