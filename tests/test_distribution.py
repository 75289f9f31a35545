import re
from pathlib import Path

import pytest

from tests.distribution import FIRST, SHARES, in_order, share_of

ROOT = Path(__file__).parents[1]
PLACES = [(share, place) for share, places in SHARES.items() for place in places]


@pytest.mark.parametrize(("share", "place"), PLACES)
def test_a_place_of_a_share_is_there_and_in_no_other(share: str, place: str) -> None:
    assert (ROOT / place).is_dir() == place.endswith("/")
    assert (ROOT / place).exists()
    assert [other for other, begin in PLACES if place.startswith(begin)] == [share]


def test_whoever_uses_the_prefect_server_runs_where_one_is_started_anyway() -> None:
    files = (ROOT / "tests").rglob("test_*.py")
    users = [file for file in files if re.search(r"\bprefect_server: \w", file.read_text("utf-8"))]

    assert len(users) > 10
    assert {share_of(f"{path.relative_to(ROOT)}::test") for path in users} == {"api", "runs"}


def test_long_shares_come_first_and_then_the_files_with_most_tests() -> None:
    few, many = "tests/data/domain/test_sizes.py::one", [f"tests/data/domain/test_jobs.py::{n}" for n in range(3)]
    shared = [
        "tests/tasks/models/test_text.py::one",
        "tests/api/test_access.py::one",
        "tests/api/relay/test_relay.py::one",
    ]

    order = in_order([few, *many, *shared])

    assert order == ["api", "models", "tests/data/domain/test_jobs.py", "tests/data/domain/test_sizes.py"]
    assert set(FIRST) == set(SHARES)
