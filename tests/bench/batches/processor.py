"""Where a batch's processor time goes, by component: a busy machine stretches the clock, but hardly this."""

import resource
from collections.abc import Mapping

from deployments.stack import Stack
from tests.bench.starts.cpu import of_tree
from tests.fakes.stack_processes import fork_servers

RUNS = "runs"
"""The flow runs with all that they run: media work and their own part of orchestration."""


def of_stack(stack: Stack) -> dict[str, float]:
    """Return the CPU-seconds so far of each component of a stack, and of all of its runs that have ended."""
    used = {child.name: of_tree(child.pid) for child in stack.children}
    return {**used, RUNS: sum(of_tree(server.pid) for server in fork_servers(stack.stack_id))}


def since(now: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    """Return what was used in between."""
    return {name: seconds - before.get(name, 0.0) for name, seconds in now.items()}


def of_ended_children() -> float:
    """Return the CPU-seconds of this process's children that have ended, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
