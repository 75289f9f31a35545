"""The ways to start runs that are compared."""

import sys
from dataclasses import dataclass, replace

from deployments.children import Command
from deployments.environment import QUERY_SECONDS, TUNING
from deployments.stack import Stack
from tests.deployments.warm.sample_pools import ORDINARY, WARM

OURS = frozenset({*TUNING, "PREFECT_API_SSL_CERT_FILE"})
AS_OFTEN = {"PREFECT_WORKER_QUERY_SECONDS": QUERY_SECONDS["cpu"]}


@dataclass(frozen=True)
class Kind:
    """A way to start runs.

    Attributes:
        command: Of the work pool; None for Prefect's own.
        tuning: Variables of the worker and its runs beside the stack's.
        is_tuned: Whether the worker and its runs get what the stack tunes; the server has it in any case.
        is_listening: Whether the worker is ours, which asks when there is news; else it is Prefect's.
    """

    name: str
    command: str | None
    tuning: dict[str, str]
    is_tuned: bool = True
    is_listening: bool = True

    def worker(self, ours: Command) -> Command:
        """Return the command of its worker."""
        arguments = ours.argv[ours.argv.index("worker") :]
        return ours if self.is_listening else replace(ours, argv=(sys.executable, "-m", "prefect", *arguments))

    def environment(self, stack: Stack) -> dict[str, str]:
        """Return the environment of its worker."""
        kept = {name: value for name, value in stack.environment.items() if self.is_tuned or name not in OURS}
        return {**kept, "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false", **self.tuning}


WARM_KIND = Kind("warm", WARM, AS_OFTEN)
STOCK_KIND = Kind("stock", None, {}, is_tuned=False, is_listening=False)
POLLED_KIND = Kind("polled", ORDINARY, AS_OFTEN, is_tuned=False, is_listening=False)
KINDS = (WARM_KIND, STOCK_KIND, POLLED_KIND)
