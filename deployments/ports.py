"""Ports on the loopback interface: free ones, and wanted ones with a clear refusal."""

import socket

from deployments.errors import PortTakenError

LOOPBACK = "127.0.0.1"


def free_ports(count: int) -> tuple[int, ...]:
    """Return different ports that nobody listens on at the moment."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return tuple(int(one.getsockname()[1]) for one in sockets)
    finally:
        for one in sockets:
            one.close()


def require_free(port: int, setting: str) -> int:
    """Return the port if it can be bound.

    Args:
        port: The wanted port.
        setting: What the user changes to get another one; named in the refusal.

    Raises:
        PortTakenError: Somebody else listens there, or the port is not ours to bind.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Servers bind with it too: a port in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            message = f"Port {port} on {LOOPBACK} cannot be used ({error.strerror}); choose another with {setting}."
            raise PortTakenError(message, {"port": port, "setting": setting}) from error
    return port
