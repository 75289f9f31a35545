"""``python -m flows``: hand work in, watch it and stop it, from the command line."""

import sys
from collections.abc import Sequence

from cyclopts import App

from data.domain.errors import DailiesError
from flows.cli import (
    assets,
    audit,
    batches,
    generations,
    jobs,
    keys,
    logs,
    providers,
    recipes,
    schedules,
    uploads,
    users,
    webhooks,
)
from flows.cli.client import ApiError
from flows.cli.output import complain

app = App(
    name="python -m flows",
    help="Hand work in, watch it and stop it. Every command talks to the REST API, except `user` and `key`: those "
    "work on the catalogue of the settings itself, so that there can be a first admin. `asset verify` reads a file.",
    version_flags=(),
)
app.command(jobs.app)
app.command(batches.app)
app.command(schedules.app)
app.command(recipes.app)
app.command(assets.app)
app.command(providers.app)
app.command(generations.app)
app.command(logs.app)
app.command(uploads.app)
app.command(users.app)
app.command(keys.app)
app.command(webhooks.app)
app.command(audit.app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out the command line and return its exit status."""
    try:
        app(arguments, result_action="return_value")
    except (ApiError, DailiesError) as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
