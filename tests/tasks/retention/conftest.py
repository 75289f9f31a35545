"""A store of each kind, and a catalogue, that retention is let loose on."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from data.database import Database
from data.storage import ObjectStore, open_store
from tests.fakes.catalogues import make_catalogue
from tests.fakes.s3_server import S3Server


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "local":
        return open_store(f"file://{tmp_path / 'store'}")
    server: S3Server = request.getfixturevalue("s3")
    return open_store(
        f"{server.url}/{uuid4().hex}",
        endpoint_url=server.endpoint_url,
        access_key=server.access_key,
        secret_key=server.secret_key,
    )


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    make_catalogue(url)
    opened = Database(url)
    yield opened
    opened.close()
