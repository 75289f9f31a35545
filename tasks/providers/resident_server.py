"""The resident engine's own process: ``python -m tasks.providers.resident_server STEM IDLE_SECONDS``.

It detaches itself, listens, and then does one piece of work after the other in its main thread, where torch wants to
be. A second thread, the door, takes requests in and sees who has gone. See :mod:`tasks.providers.resident`.
"""

import json
import logging
import os
import queue
import selectors
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from data.domain.errors import DailiesError
from data.locks import HeldLock
from tasks.providers.pipeline_work import PipelineWork
from tasks.providers.pipelines import Pipelines

_logger = logging.getLogger(__name__)
_TICK_SECONDS = 0.25
_ABANDONED_SECONDS = 15.0
"""Work that nobody waits for any more and that does not end by then is ended with the process."""
_LARGEST_REQUEST_BYTES = 4 * 1024**2


class UnwantedError(Exception):
    """Whoever asked for the work has gone."""


@dataclass(eq=False)
class Visitor:
    """A client, from its coming to its going."""

    connection: socket.socket
    heard: bytes = b""
    gone_at: float | None = None
    work: PipelineWork | None = None
    _sending: threading.Lock = field(default_factory=threading.Lock)

    def say(self, **message: object) -> None:
        """Tell it something; it may not be there any more."""
        with self._sending, suppress(OSError):
            self.connection.sendall(json.dumps(message).encode() + b"\n")

    def leave(self) -> None:
        """Hang up; the door sees it and clears away."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the socket."""
        with self._sending:
            self.connection.close()

    def on_progress(self, share: float) -> None:
        """Tell it how far its work is.

        Raises:
            UnwantedError: It has gone.
        """
        if self.gone_at is not None:
            raise UnwantedError
        self.say(progress=round(share, 4))


class Door:
    """Takes clients in, in a thread of its own, and ends the process where it works for nobody and cannot stop."""

    def __init__(self, listener: socket.socket) -> None:
        self.waiting: queue.Queue[Visitor] = queue.Queue()
        self.served: Visitor | None = None
        self._listener = listener
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        threading.Thread(target=self._stand, daemon=True, name="door").start()

    def _stand(self) -> None:
        while True:
            for key, _ in self._selector.select(_TICK_SECONDS):
                if key.data is None:
                    self._take_in()
                else:
                    self._hear(key.data)
            served = self.served
            if served and served.gone_at is not None and time.monotonic() - served.gone_at > _ABANDONED_SECONDS:
                _logger.error("Nobody waits for this work, and it does not stop: the process ends")
                os._exit(1)

    def _take_in(self) -> None:
        with suppress(OSError):
            connection, _ = self._listener.accept()
            self._selector.register(connection, selectors.EVENT_READ, Visitor(connection))

    def _hear(self, visitor: Visitor) -> None:
        try:
            data = visitor.connection.recv(65536)
        except ConnectionError:
            data = b""
        visitor.heard += data
        if not data or len(visitor.heard) > _LARGEST_REQUEST_BYTES:
            self._dismiss(visitor)
        elif visitor.work is None and b"\n" in visitor.heard:
            try:
                visitor.work = PipelineWork.from_json(visitor.heard.partition(b"\n")[0])
            except (ValueError, TypeError, KeyError):
                _logger.exception("Somebody asked for something without sense")
                self._dismiss(visitor)
                return
            visitor.say(progress=0.0)
            self.waiting.put(visitor)

    def _dismiss(self, visitor: Visitor) -> None:
        self._selector.unregister(visitor.connection)
        visitor.gone_at = time.monotonic()
        visitor.close()


class Engine:
    """Serves until nobody has come for a while, or until nobody could come any more.

    Args:
        socket_path: Where it listens.
        idle_seconds: How long it waits for the next client.
    """

    def __init__(self, socket_path: Path, idle_seconds: float) -> None:
        self._path = socket_path
        self._idle_seconds = idle_seconds
        socket_path.unlink(missing_ok=True)  # of one that was killed: the lock is ours
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(socket_path))
        listener.listen(64)
        self._inode = socket_path.stat().st_ino
        self._door = Door(listener)
        self._pipelines = Pipelines()

    def serve(self) -> None:
        """Do one piece of work after the other."""
        last_work = time.monotonic()
        while self._is_reachable() and time.monotonic() - last_work < self._idle_seconds:
            if self._serve_next(_TICK_SECONDS):
                last_work = time.monotonic()
        if self._is_reachable():
            self._path.unlink()
        while self._serve_next(_TICK_SECONDS):  # who came at the last moment
            pass

    def _serve_next(self, patience_seconds: float) -> bool:
        try:
            visitor = self._door.waiting.get(timeout=patience_seconds)
        except queue.Empty:
            return False
        self._door.served = visitor
        try:
            assert visitor.work is not None
            visitor.on_progress(0.0)
            visitor.say(made=self._pipelines.make(visitor.work, visitor.on_progress))
            visitor.leave()
        except UnwantedError:
            _logger.info("The client has gone; its work was stopped")
        except DailiesError as error:
            visitor.say(error={"code": error.code, "message": error.message})
            visitor.leave()
        # Any other error ends the process: its log has the whole story before the client hears of the end.
        self._door.served = None
        return True

    def _is_reachable(self) -> bool:
        """Say whether a client would come here: temporary directories are cleaned."""
        try:
            return self._path.stat().st_ino == self._inode
        except OSError:
            return False


def main(stem: Path, idle_seconds: float) -> None:
    """Detach, and serve. The process that was called returns as soon as there is somebody who listens."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        sys.exit(0 if os.read(reading, 1) else 1)
    os.close(reading)
    lock = HeldLock.take(stem.with_suffix(".lock"))
    if lock is None:  # another one is there
        os.write(writing, b"1")
        return
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(message)s")
    os.truncate(stem.with_suffix(".log"), 0)
    engine = Engine(stem.with_suffix(".sock"), idle_seconds)
    os.write(writing, b"1")
    os.close(writing)
    engine.serve()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
