"""The command line of the catalogue's migrations; the URL comes from the settings (``DAILIES_CATALOGUE__URL``)."""

import argparse
import sys

from data.database import migrate, normalised_url
from data.domain.errors import CatalogueUnavailableError
from data.settings import get_settings


def main(arguments: list[str] | None = None) -> int:
    """Carry out a command and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m data.migrations", description=__doc__)
    parser.add_argument("command", choices=["upgrade"], help="bring the catalogue up to this version of the code")
    parser.add_argument("--url", default=None, help="SQLAlchemy URL; otherwise from the settings")
    options = parser.parse_args(arguments)
    url = options.url or get_settings().catalogue_url
    try:
        migrate(url)
    except CatalogueUnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{normalised_url(url).render_as_string(hide_password=True)} is up to date\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
