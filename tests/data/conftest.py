"""Catalogues of each kind for the tests of this package."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from data.database import Database
from tests.fakes.catalogues import make_catalogue
from tests.fakes.postgres_server import PostgresServer

settings.register_profile("dailies", deadline=None)  # how fast the machine is says nothing about the code
settings.load_profile("dailies")


@pytest.fixture(params=["sqlite", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of database."""
    return str(request.param)


@pytest.fixture
def empty_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database of each kind, new and without tables."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'catalogue.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create_database()


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a catalogue of each kind, new and with tables."""
    if kind == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        return server.create_catalogue()
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    make_catalogue(url)
    return url


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.close()
