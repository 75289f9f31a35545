from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.bulk import BatchHouse


@pytest.fixture
def house(tmp_path: Path) -> Iterator[BatchHouse]:
    house = BatchHouse(tmp_path)
    yield house
    house.database.close()
