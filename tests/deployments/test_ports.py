import socket

import pytest

from deployments.errors import PortTakenError
from deployments.ports import LOOPBACK, free_ports, require_free


def test_free_ports_are_all_different() -> None:
    assert len(set(free_ports(20))) == 20


def test_a_taken_port_is_refused_with_the_setting_that_changes_it() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(PortTakenError, match=rf"Port {port} .*--api-port"):
            require_free(port, "--api-port")


def test_a_port_that_was_just_given_back_is_taken() -> None:
    (port,) = free_ports(1)

    assert require_free(port, "--api-port") == port
