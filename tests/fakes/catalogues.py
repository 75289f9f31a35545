"""Catalogues with tables and nothing in them, copied: to migrate one takes fifty times as long as to copy it."""

import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

from sqlalchemy import make_url

from data.database import migrate


def make_catalogue(url: str) -> None:
    """Make what :func:`data.database.migrate` makes of a database that is not there yet; another is migrated."""
    parsed = make_url(url)
    path = Path(parsed.database or "")
    if parsed.get_backend_name() != "sqlite" or path.exists():
        migrate(url)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_empty_catalogue())


@cache
def _empty_catalogue() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalogue.db"
        migrate(f"sqlite:///{path}")
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return path.read_bytes()
