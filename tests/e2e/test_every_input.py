"""Every clip and every nasty input, through the whole product at once: published, or refused with a typed reason."""

from collections.abc import Iterator

import pytest

from deployments.stack import Stack
from tests.fakes.job_client import JobClient

pytestmark = pytest.mark.slow

QUICK = {"video.preset": "ultrafast"}


@pytest.fixture(scope="module")
def jobs(stack: Stack) -> Iterator[JobClient]:
    client = JobClient(stack.api_url)
    yield client
    client.close()
