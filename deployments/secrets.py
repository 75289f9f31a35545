"""``python3 -m deployments.secrets --name video.example.com --output FILE``: draw what an installation keeps to itself.

Writes an environment file, for ``deployments/docker/.env`` and ``deployments/kubernetes/secrets.env``: there are no
default secrets, and nothing starts without these. Each run draws anew, so a file that is there is never written over:
with other secrets nobody gets into the databases that were made with them. Standard library alone, so that any Python 3
does, before anything is installed; only ``--signing`` needs the project's packages, or its image.
"""

import argparse
import json
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
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


def write_new(path: Path, text: str) -> None:
    """Write a file that nobody else may read, where there is none yet.

    Raises:
        FileExistsError: There is one.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def make_signing_certificate(folder: Path) -> Path:
    """Make a signing certificate that nobody trusts, with its key, in one file of a folder; one that is there stays.

    Raises:
        ImportError: The project's packages are not installed for this Python.
        OSError: The folder cannot be written.
    """
    from data.domain.errors import SigningMisconfiguredError
    from tasks.media.local_certificate import IDENTITY_FILE, local_identity

    try:
        local_identity(folder)
    except SigningMisconfiguredError as error:
        raise OSError(f"A signing certificate cannot be kept in {folder}.") from error
    return folder / IDENTITY_FILE


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
    parser.add_argument("--output", metavar="FILE", type=Path, help="write there, unless it exists; else to the output")
    parser.add_argument(
        "--signing", metavar="FOLDER", type=Path, help="make a signing certificate there instead, unless there is one"
    )
    options = parser.parse_args(arguments)
    if options.signing:
        _signing(parser, options.signing)
        return
    values = {"SERVER_NAME": options.name} if options.name else {}
    values |= drawn_secrets()
    if options.s3:
        values |= store_settings()
    if options.postgres:
        values |= database_settings(options.postgres, values["POSTGRES_PASSWORD"])
    if options.output is None:
        print(as_file(values), end="")
        return
    try:
        write_new(options.output, as_file(values))
    except FileExistsError:
        parser.exit(1, f"{options.output} is there already: move it away if it is not in use, or keep it.\n")
    except OSError as error:
        parser.exit(1, f"{options.output} cannot be written: {error.strerror}.\n")


def _signing(parser: argparse.ArgumentParser, folder: Path) -> None:
    try:
        path = make_signing_certificate(folder)
    except ImportError as error:
        parser.exit(1, f"A certificate is made with the project's packages or in its image ({error}).\n")
    except OSError as error:
        parser.exit(1, f"{error}\n")
    print(path)


def keep_from_others(descriptor: int) -> None:
    """Let nobody else read a file that secrets are written to; pipes and terminals stay as they are."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.fchmod(descriptor, 0o600)


if __name__ == "__main__":
    keep_from_others(sys.stdout.fileno())
    main()
