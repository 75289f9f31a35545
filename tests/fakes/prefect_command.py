"""Prefect's own command line, as its users type it."""

import re
import subprocess
import sys

from deployments.stack import Stack


def run_deployment(stack: Stack, name: str, *parameters: str) -> subprocess.CompletedProcess[str]:
    """Run a deployment with parameters (``name=value``, values in JSON or plain text), and wait for its end."""
    command = [sys.executable, "-m", "prefect", "deployment", "run", name]
    command += [word for parameter in parameters for word in ("-p", parameter)]
    command += ["--watch", "--watch-interval", "1"]
    return subprocess.run(command, env=stack.environment, capture_output=True, text=True, check=False)


def created_run(ran: subprocess.CompletedProcess[str]) -> str:
    """Return the id of the run that was made, as the command printed it."""
    found = re.search(r"UUID: ([0-9a-f-]{36})", ran.stdout)
    assert found is not None, ran.stdout
    return found[1]
