"""A network that fails at the worst moment: a TCP proxy that cuts the connection in the middle of an answer."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class CuttingProxy:
    """Forwards connections to a port of 127.0.0.1; ends one, or refuses what would write, when it is told to."""

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._cut_after: int | None = None
        self._lock = threading.Lock()
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        self.refusals = 0
        self._is_refusing = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_next_success_after(self, size_bytes: int) -> None:
        """Let that much of the next successful answer through, then close the connection."""
        self._cut_after = size_bytes

    @contextmanager
    def refusing_writes(self) -> Iterator[None]:
        """Answer every PUT and POST with 503 while the block runs; reads go through."""
        self._is_refusing = True
        try:
            yield
        finally:
            self._is_refusing = False

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
                if self._is_refusing and not is_answer and data.startswith((b"PUT ", b"POST ")):
                    self._refuse(source)
                    break
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

    def _refuse(self, client: socket.socket) -> None:
        """Answer in the server's place, and read what the client still sends: else it would hear of a broken pipe."""
        with self._lock:
            self.refusals += 1
        client.sendall(REFUSAL)
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass


@contextmanager
def cutting_proxy(upstream_port: int) -> Iterator[CuttingProxy]:
    """A proxy for as long as a ``with`` block runs."""
    proxy = CuttingProxy(upstream_port)
    try:
        yield proxy
    finally:
        proxy.close()
