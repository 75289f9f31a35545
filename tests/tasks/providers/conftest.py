"""A real S3 server, started once, when the first test asks for it."""

from collections.abc import Iterator

import pytest

from tests.fakes.s3_server import S3Server, s3_server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with s3_server("camera") as server:
        yield server
