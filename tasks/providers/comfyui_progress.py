"""How far ComfyUI is with a prompt, as it tells over its websocket; without one there is no progress, and no harm."""

import json
import threading
from contextlib import suppress
from typing import Any

from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from tasks.providers.calls import ProviderCalls

_OPEN_SECONDS = 5.0
_LARGEST_MESSAGE_BYTES = 16 * 1024**2
"""Previews of what is being made come along, as pictures."""


class ProgressListener:
    """Hears of one prompt, in a thread of its own, from its start until ``close``, or until ComfyUI hangs up.

    ComfyUI tells a prompt's progress only to the client that handed it in, known by an id which it chose itself; so a
    process that takes over from a killed one hears of the prompt too.

    Args:
        calls: The way to ComfyUI.
        client_id: Whose messages to listen to.
        prompt_id: The prompt.
        node_count: How many nodes the workflow has.
    """

    def __init__(self, calls: ProviderCalls, client_id: str, prompt_id: str, node_count: int) -> None:
        self._calls = calls
        self._client_id = client_id
        self._progress = _NodeProgress(prompt_id, node_count)
        self._connection: Connection | None = None
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True, name=f"comfyui {prompt_id[:8]}")
        self._thread.start()

    @property
    def share(self) -> float | None:
        """What share (0-1) of the work is done; ``None`` until ComfyUI has told."""
        return self._progress.share

    @property
    def is_listening(self) -> bool:
        """Whether more may be heard."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Listen no longer."""
        self._is_closed.set()
        if (connection := self._connection) is not None:
            connection.close()
        self._thread.join(_OPEN_SECONDS)

    def _listen(self) -> None:
        address = "ws" + self._calls.address("/ws").removeprefix("http")
        with (
            suppress(WebSocketException, InvalidHandshake, InvalidURI, OSError),
            connect(
                f"{address}?clientId={self._client_id}",
                additional_headers=self._calls.headers,
                open_timeout=_OPEN_SECONDS,
                close_timeout=1.0,
                max_size=_LARGEST_MESSAGE_BYTES,
            ) as connection,
        ):
            self._connection = connection
            if self._is_closed.is_set():
                return
            for message in connection:
                if isinstance(message, str):  # the others are previews
                    self._progress.hear(message)


class _NodeProgress:
    """What the messages about one prompt come to: nodes count alike, the one at work by its steps."""

    def __init__(self, prompt_id: str, node_count: int) -> None:
        self._prompt_id = prompt_id
        self._node_count = max(1, node_count)
        self._done: set[str] = set()
        self._current: str | None = None
        self.share: float | None = None

    def hear(self, message: str) -> None:
        """Take note of a message; what makes no sense is passed over."""
        try:
            heard = json.loads(message)
            kind, data = heard["type"], heard["data"]
            if data.get("prompt_id") == self._prompt_id:
                self._note(kind, data)
        except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError):
            return

    def _note(self, kind: str, data: dict[str, Any]) -> None:
        part = 0.0
        match kind:
            case "execution_cached":
                self._done |= set(data["nodes"])
            case "executing":
                if self._current is not None:
                    self._done.add(self._current)
                self._current = data["node"]
            case "executed":
                self._done.add(data["node"])
            case "progress":
                part = data["value"] / data["max"]
            case "progress_state":  # newer: all nodes at once
                states = data["nodes"].items()
                self._done |= {node for node, each in states if each["state"] == "finished"}
                part = sum(each["value"] / each["max"] for _, each in states if each["state"] == "running")
            case _:
                return
        share = min(1.0, (len(self._done) + part) / self._node_count)
        self.share = max(self.share or 0.0, share)
