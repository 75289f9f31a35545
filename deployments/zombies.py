"""The automation that takes a silent run for dead.

A worker reports the crash of its own runs; when the worker or the machine dies too, nobody does, and the run would hold
its slots for ever. Runs send a heartbeat; a self-hosted server acts on its absence only when an automation says so.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from prefect.automations import Automation
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture

NAME = "dailies: crash silent runs"
HEARTBEAT = "prefect.flow-run.heartbeat"
MISSED_BEATS = 3
# After these a run is allowed to be silent: it has ended, or its process has.
QUIET_STATES = ("Completed", "Failed", "TimedOut", "Crashed", "Cancelled", "Suspended", "Paused", "AwaitingRetry")


def crash_silent_runs(heartbeat_seconds: int) -> Automation:
    """Return the automation for runs that send a heartbeat every so many seconds."""
    return Automation(
        name=NAME,
        description="A run that misses three heartbeats is taken for dead.",
        trigger=EventTrigger(
            after={HEARTBEAT},
            expect={HEARTBEAT, *(f"prefect.flow-run.{state}" for state in QUIET_STATES)},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=MISSED_BEATS * heartbeat_seconds),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, message="The run's process fell silent: it, its worker or its machine died."
            )
        ],
    )


async def apply_automation(wanted: Automation) -> None:
    """Create the automation, or correct its rule; one that a person disabled stays disabled."""
    try:
        existing = await Automation.aread(name=wanted.name)
    except ValueError:  # Prefect's word for: there is none
        await wanted.acreate()
        return
    if _rule(existing) != _rule(wanted):
        existing.trigger, existing.actions, existing.description = wanted.trigger, wanted.actions, wanted.description
        await existing.aupdate()


def _rule(automation: Automation) -> Mapping[str, Any]:
    """Return what makes two automations the same, whatever the order of their sets."""
    trigger = automation.trigger.model_dump(mode="json", exclude={"id"})
    return {
        "trigger": {name: sorted(value) if isinstance(value, list) else value for name, value in trigger.items()},
        "actions": [action.model_dump(mode="json") for action in automation.actions],
    }
