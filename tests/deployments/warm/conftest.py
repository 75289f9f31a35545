"""Projects with a warm start of their own, and none of its processes left."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.deployments.warm.warm_project import WarmProject


@pytest.fixture(scope="package")
def project(state_home: Callable[[str], Path]) -> Iterator[WarmProject]:
    """Return a project that tests may run programs in, but not change."""
    yield from _project(state_home)


@pytest.fixture
def own_project(state_home: Callable[[str], Path]) -> Iterator[WarmProject]:
    """Return a project of the test's own, whose server is not running yet."""
    yield from _project(state_home)


def _project(state_home: Callable[[str], Path]) -> Iterator[WarmProject]:
    project = WarmProject(state_home("project"), state_home("run"))
    try:
        yield project
    finally:
        project.end()
