"""Which processes of a stack are running: found by the mark that the stack leaves in their environment."""

import psutil

from deployments.children import MARKER


def stack_processes(stack_id: str) -> list[psutil.Process]:
    """Return every living process that was started by the stack, or by something that it started."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARKER) == stack_id:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def encoders(stack_id: str) -> list[psutil.Process]:
    """Return the stack's ffmpeg processes. Looks at names first, so that it costs little to look often."""
    found = []
    for process in psutil.process_iter(["name"]):
        if "ffmpeg" not in (process.info["name"] or ""):
            continue
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARKER) == stack_id:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def engines(stack_id: str, job_id: str) -> list[psutil.Process]:
    """Return the processes that run the flow of a job."""
    return [process for process in stack_processes(stack_id) if _runs(process, job_id)]


def launchers(stack_id: str, job_id: str) -> list[psutil.Process]:
    """Return the launchers that were started for a job's run, and whatever else has its id and is no tool."""
    return [process for process in stack_processes(stack_id) if _belongs(process, job_id)]


def _belongs(process: psutil.Process, job_id: str) -> bool:
    try:
        return process.environ().get("PREFECT__FLOW_RUN_ID", "") == job_id
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _runs(process: psutil.Process, job_id: str) -> bool:
    try:
        is_engine = "prefect.engine" in " ".join(process.cmdline())
        return is_engine and process.environ().get("PREFECT__FLOW_RUN_ID", "") == job_id
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def fork_servers(stack_id: str) -> list[psutil.Process]:
    """Return the stack's fork servers, without the keepers and runs that they forked."""
    serving = {process.pid: process for process in stack_processes(stack_id) if _serves(process)}
    return [process for process in serving.values() if process.ppid() not in serving]


def _serves(process: psutil.Process) -> bool:
    try:
        return {"deployments.warm", "serve"} <= set(process.cmdline())
    except psutil.NoSuchProcess:
        return False
