"""uvicorn's connections (httptools), with limits that it has none of: bytes, number and time of a request's headers."""

import asyncio
import socket
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from data.settings import ApiSettings


@dataclass(frozen=True)
class Connections:
    """Makes the connections of a server; goes as it is to the processes that serve."""

    max_header_bytes: int
    max_headers: int
    header_seconds: float

    @classmethod
    def of(cls, settings: ApiSettings) -> Self:
        """Return what makes connections with the limits of the settings."""
        return cls(settings.max_header_bytes, settings.max_headers, settings.header_seconds)

    def __call__(self, **parts: Any) -> "LimitedConnection":
        """Return the protocol of a new connection."""
        connection = LimitedConnection(**parts)
        connection.limits = self
        return connection


class LimitedConnection(HttpToolsProtocol):
    """One client's connection. Lives from accept to close; its requests come one after the other."""

    limits: Connections
    _timer: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _header_count = 0
    _is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the client a while to say what it wants."""
        super().connection_made(transport)
        connected = transport.get_extra_info("socket")
        if connected is not None and connected.family in (socket.AF_INET, socket.AF_INET6):
            # An answer is written in two parts, and without this the second waits 40 ms for the client's word on the
            # first; loops do it by themselves only for sockets that they have made.
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what arrives, unless the client was refused already."""
        if not self._is_refused:
            super().data_received(data)

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._header_bytes = self._header_count = 0
        if self._timer is None:
            self._await_headers()

    def on_url(self, url: bytes) -> None:
        """Count the request's line."""
        if self._is_taken(len(url), 0):
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header."""
        if self._is_taken(len(name) + len(value) + 4, 1):
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hand the request on; a refused one has no cycle, and its body goes nowhere."""
        self._stop_waiting()
        if not self._is_refused:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of the body."""
        if not self._is_refused:
            super().on_message_complete()

    def _is_taken(self, size_bytes: int, count: int) -> bool:
        self._header_bytes += size_bytes
        self._header_count += count
        if self._header_bytes > self.limits.max_header_bytes or self._header_count > self.limits.max_headers:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        return not self._is_refused

    def _await_headers(self) -> None:
        self._timer = self.loop.call_later(self.limits.header_seconds, self._refuse, HTTPStatus.REQUEST_TIMEOUT)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer and hang up; a request that is under way on the connection loses it too."""
        self._stop_waiting()
        if self._is_refused or self.transport.is_closing():
            return
        self._is_refused = True
        lines = [f"HTTP/1.1 {status.value} {status.phrase}", "Content-Length: 0", "Connection: close", "", ""]
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write("\r\n".join(lines).encode())
        self.transport.close()
