"""Analysis alone, on the GPU pool: what is to be seen and heard in one asset, without publishing anything."""

from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from data.domain.analysis import AnalysisReport
from data.domain.sources import file_name
from tasks.analysis import analyze_asset as analyze
from tasks.analysis import chosen_options, known_asset, public_version
from tasks.ingest import ingest_source
from tasks.policies import FLOW_POLICY
from tasks.progress import step_progress
from tasks.stopping import stoppable


def run_name() -> str:
    """Name a run for people: by its title, else by the file that it takes in, else as whoever submitted it did."""
    parameters = flow_run.get_parameters() or {}
    name = parameters.get("title") or file_name(str(parameters.get("source") or ""))
    return str(name or flow_run.get_name() or "analysis")


@flow(name="analyze-asset", flow_run_name=run_name, **FLOW_POLICY)
def analyze_asset(
    asset_id: str = "",
    source: str = "",
    options: dict[str, Any] | None = None,
    title: str = "",
    metadata: dict[str, Any] | None = None,
) -> AnalysisReport:
    """Look at every frame of an asset: what moves, who enters which zone, what is wrong with picture and sound.

    What is public of the asset is looked at, else its source. Nothing is published; the same again costs nothing.

    Args:
        asset_id: Of an asset that is known; or
        source: an absolute path below an allowed root, ``upload:<id>``, an ``https://`` address, or ``s3://bucket/key``.
        options: Those of a recipe's ``analysis``: ``detector``, ``fps``, ``zones`` (a list, or JSON text) …
        title: What to call the run.
        metadata: Anything of the caller's, kept with the run.
    """
    wanted = chosen_options(options or {})
    with stoppable():
        asset = known_asset(asset_id) if asset_id else ingest_source(source)
        with step_progress("analyse"):
            report: AnalysisReport = analyze(asset, public_version(asset), wanted)
    return report
