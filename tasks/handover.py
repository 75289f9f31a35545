"""Hand the AI stage over to the GPU pool and wait for what comes back, holding no slot meanwhile."""

import time
from uuid import UUID

from prefect import task
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Cancelling

from data.domain.assets import Asset
from data.domain.errors import CancelledByRequestError, InfrastructureError, error_of_code
from data.domain.jobs import error_code
from data.domain.publications import GeneratedArtifacts, Package
from data.domain.recipes import Recipe
from tasks.policies import TASK_POLICY
from tasks.workspace import queue_name

GENERATE_DEPLOYMENT = "generate-asset/on-demand"
_POLL_SECONDS = 1.0


@task(task_run_name="generate", **TASK_POLICY)
def hand_over_generation(asset: Asset, package: Package, recipe: Recipe) -> GeneratedArtifacts:
    """Run the AI steps of the recipe as a run of their own on the ``gpu`` work pool, and wait for it."""
    child = run_deployment(
        GENERATE_DEPLOYMENT,
        flow_run_name=flow_run.get_name(),
        parameters={
            "asset": asset.model_dump(mode="json"),
            "package": package.model_dump(mode="json"),
            "recipe": recipe.model_dump(mode="json"),
        },
        work_queue_name=queue_name() or None,  # so that the child has the same priority
        timeout=0,
    )
    assert isinstance(child, FlowRun)
    get_run_logger().info("The AI steps run on the gpu pool as flow run %s.", child.id)
    with get_client(sync_client=True) as client:
        try:
            finished = _wait(client, child.id)
        except BaseException:
            _cancel(client, child.id)
            raise
    return _outcome(finished)


def _wait(client: SyncPrefectClient, run_id: UUID) -> FlowRun:
    while True:
        child = client.read_flow_run(run_id)
        if child.state and child.state.is_final():
            return child
        time.sleep(_POLL_SECONDS)


def _cancel(client: SyncPrefectClient, run_id: UUID) -> None:
    """Ask for the child to stop: nobody waits for it any more."""
    client.set_flow_run_state(run_id, Cancelling(message="The run that waited for this one was stopped."))


def _outcome(child: FlowRun) -> GeneratedArtifacts:
    """Return the child's result, or raise its failure as our own."""
    state = child.state
    assert state is not None
    if state.is_completed():
        return GeneratedArtifacts.model_validate(state.result())
    message = state.message or f"The AI steps ended as {state.name}."
    if state.is_cancelled():
        raise CancelledByRequestError(f"The AI steps were cancelled (flow run {child.id}).")
    if state.is_crashed():
        raise InfrastructureError(f"The AI steps crashed (flow run {child.id}): {message}")
    code = error_code(message)
    raise error_of_code(code, message[message.find(f"[{code}]") :] if code else message)
