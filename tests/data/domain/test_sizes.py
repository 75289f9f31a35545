"""Numbers of bytes for people."""

import pytest

from data.domain.sizes import size_text


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"),
        (1500, "1.5 kB"),
        (999_400, "999 kB"),
        (999_700, "1 MB"),
        (2 * 10**9, "2 GB"),
        (10**15, "1,000.0 TB"),
    ],
)
def test_sizes_are_decimal_with_three_digits(count: int, said: str) -> None:
    assert size_text(count) == said
