"""Servers for the tests of this package: each is started once, when the first test asks for it."""

from collections.abc import Iterator

import pytest

from tests.fakes.postgres_server import PostgresServer, postgres_server
from tests.fakes.s3_server import S3Server, s3_server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server
