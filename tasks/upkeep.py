"""Upkeep: what keeps a machine clean after crashes."""

from prefect import task
from prefect.logging import get_run_logger

from data.settings import get_settings
from tasks.workspace import sweep_workspaces


@task(task_run_name="sweep workspaces")
def sweep_scratch() -> list[str]:
    """Remove the scratch directories of attempts whose process is gone."""
    root = get_settings().scratch_path
    swept = sweep_workspaces(root) if root.is_dir() else []
    if swept:
        get_run_logger().info("Swept %d scratch directories of killed attempts: %s", len(swept), ", ".join(swept))
    return swept
