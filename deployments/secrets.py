"""``python3 -m deployments.secrets --name video.example.com``: draw what an installation must keep to itself.

Writes an environment file to the standard output, for ``deployments/docker/.env`` and
``deployments/kubernetes/secrets.env``: there are no default secrets, and nothing starts without these. Standard library
alone, so that any Python 3 does, before anything is installed. Each run draws anew: keep the file.
"""

import argparse
import json
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from secrets import token_urlsafe

RANDOM_BYTES = 36


def drawn_secrets() -> dict[str, str]:
    """Return fresh secrets by the variables that they go into.

    Letters, digits, ``-`` and ``_`` only, so that they may stand in addresses.
    """
    return {
        "POSTGRES_PASSWORD": token_urlsafe(RANDOM_BYTES),
        "PREFECT_SERVER_API_AUTH_STRING": f"dailies:{token_urlsafe(RANDOM_BYTES)}",
        "DAILIES_AUTH__SECRETS": json.dumps([token_urlsafe(RANDOM_BYTES)]),
        "DAILIES_AUDIT__KEY": token_urlsafe(RANDOM_BYTES),
        "DAILIES_METRICS__TOKEN": token_urlsafe(RANDOM_BYTES),
    }


def store_settings() -> dict[str, str]:
    """Return what puts the object store into the S3 server of ``compose.yaml``, with fresh keys."""
    return {
        "COMPOSE_PROFILES": "s3",
        "DAILIES_STORAGE__URL": "s3://dailies/store",
        "DAILIES_STORAGE__ENDPOINT_URL": "http://store:8333",
        "DAILIES_STORAGE__ACCESS_KEY": token_urlsafe(12),
        "DAILIES_STORAGE__SECRET_KEY": token_urlsafe(RANDOM_BYTES),
    }


def database_settings(host: str, password: str) -> dict[str, str]:
    """Return the addresses of both databases on a Postgres of one's own, whose user is ``dailies``.

    Args:
        host: Its name or address, with the port if that is another than 5432.
        password: The user's.
    """
    return {
        "DAILIES_CATALOGUE__URL": f"postgresql+psycopg://dailies:{password}@{host}/catalogue",
        "PREFECT_API_DATABASE_CONNECTION_URL": f"postgresql+asyncpg://dailies:{password}@{host}/prefect",
    }


def as_file(values: Mapping[str, str]) -> str:
    """Return an environment file."""
    return "".join(f"{name}={value}\n" for name, value in values.items())


def main(arguments: Sequence[str] | None = None) -> None:
    """Carry out the command line."""
    parser = argparse.ArgumentParser(
        prog="python3 -m deployments.secrets",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--name", help="name of the site, for compose.yaml")
    parser.add_argument("--s3", action="store_true", help="with the S3 server of compose.yaml")
    parser.add_argument("--postgres", metavar="HOST", help="with the addresses of the databases there, for Kubernetes")
    options = parser.parse_args(arguments)
    values = {"SERVER_NAME": options.name} if options.name else {}
    values |= drawn_secrets()
    if options.s3:
        values |= store_settings()
    if options.postgres:
        values |= database_settings(options.postgres, values["POSTGRES_PASSWORD"])
    print(as_file(values), end="")


def keep_from_others(descriptor: int) -> None:
    """Let nobody else read a file that secrets are written to; pipes and terminals stay as they are."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.fchmod(descriptor, 0o600)


if __name__ == "__main__":
    keep_from_others(sys.stdout.fileno())
    main()
