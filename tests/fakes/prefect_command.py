"""Prefect's own command line, as its users type it."""

import subprocess
import sys

from deployments.stack import Stack


def run_deployment(stack: Stack, name: str, *parameters: str) -> subprocess.CompletedProcess[str]:
    """Run a deployment with parameters (``name=value``, values in JSON or plain text), and wait for its end."""
    command = [sys.executable, "-m", "prefect", "deployment", "run", name]
    command += [word for parameter in parameters for word in ("-p", parameter)]
    command += ["--watch", "--watch-interval", "1"]
    return subprocess.run(command, env=stack.environment, capture_output=True, text=True, check=False)
