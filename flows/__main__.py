"""``python -m flows``: hand work in, watch it and stop it, from the command line."""

import sys
from collections.abc import Sequence

from cyclopts import App

from flows.cli import assets, audit, batches, generations, jobs, providers, recipes, schedules
from flows.cli.client import ApiError
from flows.cli.output import complain

app = App(
    name="python -m flows",
    help="Hand work in, watch it and stop it. Every command talks to the REST API.",
    version_flags=(),
)
app.command(jobs.app)
app.command(batches.app)
app.command(schedules.app)
app.command(recipes.app)
app.command(assets.app)
app.command(providers.app)
app.command(generations.app)
app.command(audit.app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out the command line and return its exit status."""
    try:
        app(arguments, result_action="return_value")
    except ApiError as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
