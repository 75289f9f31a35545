"""The REST API as the command line calls it: JSON in and out, and a refusal as one line."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import orjson
from cyclopts import Parameter

from data.settings import get_settings

TIMEOUT_SECONDS = 60.0
MOST_ITEMS = 200
"""Of one page."""
BASE = "/api/v1"
Document = dict[str, Any]

AssetId = Annotated[str, Parameter(help="Id of the asset.")]
Api = Annotated[str, Parameter(name="--api", help="Address of the API; `DAILIES_API_URL` or http://127.0.0.1:8000.")]


@dataclass(frozen=True)
class Event:
    """A server-sent event."""

    kind: str
    id: str
    data: Document


class ApiError(Exception):
    """The API refused, or could not be reached. Its text is one line for a person."""


class Client:
    """Calls the API; lives as long as one command."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def address(self, path: str | None) -> str | None:
        """Return the whole address of something that an answer names by its path."""
        return str(self._http.base_url.join(path)) if path else None

    def get(self, path: str, **query: Any) -> Document:
        """Read something."""
        return self.call("GET", path, params={name: value for name, value in query.items() if value is not None})

    def items(self, path: str, limit: int, **query: Any) -> list[Document]:
        """Read a list, as many pages as it takes; a page may be short although more follows."""
        found: list[Document] = []
        after: str | None = None
        while len(found) < limit:
            page = self.get(path, **query, limit=min(limit - len(found), MOST_ITEMS), after=after)
            found += page["items"]
            after = page["next"]
            if after is None:
                break
        return found

    def call(self, method: str, path: str, **request: Any) -> Document:
        """Make a call and return its answer; empty where there is none.

        Raises:
            ApiError: The API refused it, or did not answer.
        """
        with self._translated():
            answer = self._http.request(method, f"{BASE}{path}", **request)
        if not answer.is_success:
            raise ApiError(_refusal(answer))
        document: Document = answer.json() if answer.content else {}
        return document

    def stream(self, path: str, **query: str) -> Iterator[bytes]:
        """Read a file piece by piece.

        Raises:
            ApiError: The API refused it, or did not answer.
        """
        with self._translated(), self._http.stream("GET", f"{BASE}{path}", params=query) as answer:
            if not answer.has_redirect_location:
                yield from _whole(answer)
                return
            elsewhere = answer.url.join(answer.headers["Location"])
        # By itself: the object store that the API sends to has no business with the caller's key.
        with self._translated(), httpx.stream("GET", elsewhere, timeout=TIMEOUT_SECONDS) as answer:
            yield from _whole(answer)

    def download(self, path: str, output: Path | None, **query: str) -> None:
        """Fetch a file to a path, or to standard output.

        Raises:
            ApiError: The API refused it, did not answer, or the path cannot be written.
        """
        if output is None or str(output) == "-":
            for chunk in self.stream(path, **query):
                sys.stdout.buffer.write(chunk)
            return
        part = output.with_name(f"{output.name}.part")
        try:
            with part.open("wb") as file:
                for chunk in self.stream(path, **query):
                    file.write(chunk)
            part.replace(output)
        except OSError as error:
            raise ApiError(f"{output} cannot be written: {error.strerror or error}.") from error

    def events(self, path: str, last_id: str = "") -> Iterator[Event]:
        """Follow a stream of server-sent events until it ends; its heartbeats show that it is alive.

        Args:
            path: Of the stream.
            last_id: The id of the last event that was heard; what follows it is told.

        Raises:
            ApiError: The API refused it, did not answer, or answered with something else.
        """
        headers = {"Last-Event-ID": last_id} if last_id else {}
        with self._translated(), self._http.stream("GET", f"{BASE}{path}", headers=headers) as answer:
            if not answer.headers.get("Content-Type", "").startswith("text/event-stream"):
                answer.read()
                raise ApiError(_refusal(answer))
            fields: dict[str, str] = {}
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if line:
                    fields[name] = value
                elif "data" in fields:
                    yield Event(fields.get("event", ""), fields.get("id", ""), json.loads(fields["data"]))
                    fields = {}

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except httpx.InvalidURL as error:
            raise ApiError(f"{self._http.base_url} is not an address: {error}.") from error
        except httpx.TransportError as error:
            raise ApiError(f"The API at {self._http.base_url} does not answer: {error}.") from error


@contextmanager
def connected(api: str) -> Iterator[Client]:
    """Open a client for one command.

    Args:
        api: Address of the API; empty takes the setting.
    """
    settings = get_settings()
    headers = {"X-API-Key": settings.api_key.get_secret_value()} if settings.api_key else {}
    with httpx.Client(base_url=api or settings.api_url, headers=headers, timeout=TIMEOUT_SECONDS) as http:
        yield Client(http)


def asset_path(asset_id: str, *more: str) -> str:
    """Return the path of an asset, or of something that belongs to it; whatever was typed stays one part of it."""
    return "/".join(("/assets", quote(asset_id, safe=""), *more))


def job_path(job_id: str, *more: str) -> str:
    """Return the path of a job, or of something that belongs to it; whatever was typed stays one part of it."""
    return "/".join(("/jobs", quote(job_id, safe=""), *more))


def pairs_of(option: str, pairs: Iterable[str]) -> dict[str, Any]:
    """Read ``name=value``; a value that is JSON is taken as such, anything else as text.

    Args:
        option: What they were given with, for the refusal.
        pairs: As typed.

    Raises:
        ApiError: One is no pair.
    """
    read: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ApiError(f"`{option} {pair}` is not of the form name=value.")
        try:
            read[name] = orjson.loads(value)  # stricter than `json`: `NaN` is a word
        except ValueError:
            read[name] = value
    return read


def _whole(answer: httpx.Response) -> Iterator[bytes]:
    if not answer.is_success:
        answer.read()
        raise ApiError(_refusal(answer))
    yield from answer.iter_bytes()


def _refusal(answer: httpx.Response) -> str:
    """Return a problem document as a line; what answers otherwise is not our API."""
    try:
        problem = answer.json()
        line = f"{problem['code']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"{answer.url} answered {answer.status_code} {answer.reason_phrase}, not as the API does."
    allowed = problem.get("facts", {}).get("allowed")
    return f"{line} Allowed now: {', '.join(allowed) or 'nothing'}." if allowed is not None else line
