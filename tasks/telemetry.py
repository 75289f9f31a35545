"""What runs tell of themselves: spans of media tools, and which run, asset and trace a log line belongs to."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from data.domain.assets import Asset
from data.settings import Settings
from data.telemetry.logs import tell_facts
from data.telemetry.tracing import TRACE_LABEL, export_traces, span, trace_id_of
from tasks.media.process import observe_tools

SERVICE = "dailies-flows"


def install(settings: Settings) -> None:
    """Set this process up to tell of its runs. Starts nothing by itself, so it may come before a fork."""
    tell_facts(run_facts)
    if settings.tracing.endpoint:
        export_traces(settings.tracing.endpoint, SERVICE)
        observe_tools(_tool_span)


def run_facts() -> Mapping[str, str]:
    """Return ids of the run, the asset and the trace that this code works for; what there is of them."""
    from prefect.context import FlowRunContext, TaskRunContext  # long imported where there is a run

    facts: dict[str, str] = {}
    flow, task = FlowRunContext.get(), TaskRunContext.get()
    if flow and flow.flow_run:
        facts["job_id"] = str(flow.flow_run.id)
        if trace_id := trace_id_of(str(flow.flow_run.labels.get(TRACE_LABEL) or "")):
            facts["trace_id"] = trace_id
    if task:
        asset = task.parameters.get("asset")
        facts |= {"step": task.task_run.name} if task.task_run.name else {}
        facts |= {"asset_id": asset.id} if isinstance(asset, Asset) else {}
    return facts


def run_traceparent() -> str | None:
    """Return the ``traceparent`` of the run that is under way in this process."""
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    label = context.flow_run.labels.get(TRACE_LABEL) if context and context.flow_run else None
    return str(label) if label else None


@contextmanager
def _tool_span(tool: str) -> Iterator[None]:
    name = tool.partition("-")[0]  # packaged builds have platform and version in their names
    with span(name, {"process.executable.name": tool}, parent=run_traceparent()):
        yield
