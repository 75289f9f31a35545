"""Only public addresses are reached, however they are written."""

import pytest

from data.domain.errors import SourceForbiddenError
from tasks.providers.web import public_address


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "10.1.2.3", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "2130706433", "0x7f.1", "::1", "::ffff:127.0.0.1", "fe80::1", "fc00::1", "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)  # fmt: skip
def test_private_addresses_are_refused_however_they_are_written(host: str) -> None:
    with pytest.raises(SourceForbiddenError):
        public_address(host, 443)


def test_public_addresses_are_taken() -> None:
    assert public_address("93.184.215.14", 443) == "93.184.215.14"
    assert public_address("2606:2800:21f:cb07:6820:80da:af6b:8b2c", 443).startswith("2606:2800")
