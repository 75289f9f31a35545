"""A network that fails at the worst moment: a TCP proxy that cuts the connection in the middle of an answer."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class CuttingProxy:
    """Forwards connections to a port of 127.0.0.1; ends one when it is told to."""

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._cut_after: int | None = None
        self._lock = threading.Lock()
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_next_success_after(self, size_bytes: int) -> None:
        """Let that much of the next successful answer through, then close the connection."""
        self._cut_after = size_bytes

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                upstream = socket.create_connection(("127.0.0.1", self._upstream_port))
                for source, target, is_answer in ((client, upstream, False), (upstream, client, True)):
                    threading.Thread(target=self._forward, args=(source, target, is_answer), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        left: int | None = None
        with suppress(OSError):
            while data := source.recv(65536):
                if is_answer and left is None and data.startswith((b"HTTP/1.1 200", b"HTTP/1.1 206")):
                    with self._lock:
                        left, self._cut_after = self._cut_after, None
                        self.cuts += left is not None
                if left is not None:
                    target.sendall(data[:left])
                    left -= len(data[:left])
                    if not left:
                        break
                else:
                    target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        if is_answer:
            source.close()
            target.close()


@contextmanager
def cutting_proxy(upstream_port: int) -> Iterator[CuttingProxy]:
    """A proxy for as long as a ``with`` block runs."""
    proxy = CuttingProxy(upstream_port)
    try:
        yield proxy
    finally:
        proxy.close()
