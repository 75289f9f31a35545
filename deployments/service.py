"""``python -m deployments.service COMPONENT``: one component of an installation whose parts lie apart.

For containers (``deployments/docker``, ``deployments/kubernetes``) and for whoever supervises processes on several
machines; on one machine ``deployments.up`` and ``deployments.run`` start everything themselves. Where the parts find
each other stands in the environment (``PREFECT_API_URL``, ``DAILIES_CATALOGUE__URL``, ``DAILIES_STORAGE__URL``, the
server's ``PREFECT_API_DATABASE_CONNECTION_URL``); what a component needs besides, it gets here, so that no file of a
deployment repeats it.

Nothing has to be started in an order: who uses the catalogue first brings it up to this version, which many may do at
once, and a worker waits for the bootstrap to make its pool. A worker takes as many runs as its own machine, or the
share of it that its container has, can carry; its pool's limit is that of all workers together.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from data.database import migrate
from data.domain.errors import DailiesError
from data.settings import Settings, get_settings
from deployments.components import PROJECT, polling, prefect_command, worker_argv
from deployments.environment import completed
from deployments.pools import wanted_pools
from deployments.stack import API, BOOTSTRAP, SERVER, WORKER_POOLS

COMPONENTS = (SERVER, BOOTSTRAP, *WORKER_POOLS, API)
FOLDERS = ("inbox", "prefect", "scratch", "store", "tmp")


def main(arguments: Sequence[str] | None = None) -> None:
    """Carry out the command line; does not return: the component takes this process's place."""
    parser = argparse.ArgumentParser(
        prog="python -m deployments.service", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("component", choices=COMPONENTS)
    component = parser.parse_args(arguments).component
    settings = get_settings()
    for name in FOLDERS:
        (settings.home_path / name).mkdir(parents=True, exist_ok=True)
    if component != SERVER:
        _migrate(settings)
    argv = component_argv(component, settings)
    os.chdir(PROJECT)
    os.execve(argv[0], argv, component_environment(component, settings))  # noqa: S606  # no shell


def _migrate(settings: Settings) -> None:
    try:
        migrate(settings.catalogue_url)
    except DailiesError as error:
        sys.exit(error.message)


def component_argv(component: str, settings: Settings) -> tuple[str, ...]:
    """Return the component's command line."""
    if component == SERVER:
        return prefect_command("server", "start")
    if component in WORKER_POOLS:
        return _attended_worker(WORKER_POOLS[component], settings)
    return (sys.executable, "-m", "api" if component == API else "deployments.bootstrap")


def component_environment(component: str, settings: Settings) -> dict[str, str]:
    """Return the component's whole environment."""
    home = settings.home_path
    own = polling(WORKER_POOLS[component]) if component in WORKER_POOLS else {}
    if (
        component == SERVER
    ):  # which else puts its UI together in the folder of installed packages, and may not write there
        own = {"PREFECT_UI_STATIC_DIRECTORY": str(home / "prefect-ui")}
    return {**own, **completed(home, PROJECT, settings.storage_url, os.environ)}


def _attended_worker(pool: str, settings: Settings) -> tuple[str, ...]:
    slots = {each.name: each.default_limit for each in wanted_pools(settings.orchestration)}
    # A pool that the worker made for itself would not be the one that the bootstrap makes.
    options = ("--limit", str(slots[pool]), "--with-healthcheck", "--no-create-pool-if-not-found")
    worker = worker_argv(pool, *options)
    seconds = str(settings.orchestration.drain_seconds)
    return (sys.executable, "-m", "deployments.leaving", "--drain-seconds", seconds, "--", *worker)


if __name__ == "__main__":
    main()
