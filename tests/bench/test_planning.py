"""Planning grows with the rows and not faster, and holds none of them."""

import json
import subprocess
import sys
from typing import Any

import pytest

FEW, MANY = 2_000, 20_000
MOST_MEGABYTES = 300


def planned(rows: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.planning", str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


@pytest.mark.slow
def test_ten_times_the_rows_take_ten_times_the_work_in_the_same_memory() -> None:
    few, many = planned(FEW), planned(MANY)

    assert many["cpu_seconds"] < 1.5 * MANY / FEW * few["cpu_seconds"]
    assert many["peak_megabytes"] < MOST_MEGABYTES
    assert many["peak_megabytes"] - few["peak_megabytes"] < 60
    assert (many["new"], many["unchanged"]) == (MANY * 2 // 3, MANY // 3 + 1)
