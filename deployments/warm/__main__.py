"""``python -m deployments.warm``: look at, start and stop the fork servers of this project.

None of it is needed in operation: the first run starts the server it needs, and an idle server ends. Runs go on by
themselves when their server is stopped.
"""

from deployments.warm import ending

ending.leave_early()  # before the imports below register with atexit

import argparse  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from collections.abc import Sequence  # noqa: E402

from deployments.warm.place import Place  # noqa: E402
from deployments.warm.server import Server, listener_of, log_to_stderr  # noqa: E402
from deployments.warm.starting import IDLE_SECONDS  # noqa: E402
from deployments.warm.streams import outlive_readers  # noqa: E402


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out the command line and return its exit status."""
    options = _parse(arguments)
    if options.command == "serve":
        return serve(options)
    from deployments.warm import control  # imports Prefect, which a server does later, in its own way

    return {"start": control.start, "stop": control.stop, "status": control.status}[options.command]()


def serve(options: argparse.Namespace) -> int:
    """Be a fork server; in a forked run, be the run."""
    outlive_readers()
    log_to_stderr()
    listener = listener_of(options.listener)
    os.set_inheritable(options.lock, False)
    run = Server(Place(os.environ), listener, options.lock, options.idle_seconds).serve()
    if run is not None:
        run.carry_out()
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deployments.warm", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("status", help="list the running servers and their runs")
    commands.add_parser(
        "start", help="start the server for the settings of this environment, and wait until it is ready"
    )
    commands.add_parser("stop", help="end the servers; runs under way go on by themselves")
    server = commands.add_parser("serve", help="be a server (done by the launcher)")
    server.add_argument("--lock", type=int, required=True, help="descriptor of the locked lock file")
    server.add_argument("--listener", type=int, required=True, help="descriptor of the listening socket")
    server.add_argument(
        "--idle-seconds",
        type=float,
        default=IDLE_SECONDS,
        help="end after so long without a run (default: %(default)s)",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
