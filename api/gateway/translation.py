"""Prefect's trouble as ours: a transport that does not wait long, and the client's exceptions as our errors."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.exceptions import ObjectNotFound

from data.domain.errors import InvalidRequestError, NotFoundError, OrchestratorUnavailableError

BUSY_PAUSES_SECONDS = (0.1, 0.3, 1.0, 2.0)
"""How long to wait before each further try when Prefect is busy."""


class PromptTransport(httpx.AsyncHTTPTransport):
    """Says soon that Prefect is away; the client alone would retry for a minute while our caller waits.

    A 503 is tried again a few times first: that is how Prefect says that its SQLite database was locked for a moment,
    and that it did nothing.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to Prefect.

        Raises:
            OrchestratorUnavailableError: There is no answer, or none but that it is busy.
        """
        for pause_seconds in (*BUSY_PAUSES_SECONDS, None):
            try:
                response = await super().handle_async_request(request)
            except httpx.TransportError as error:
                raise OrchestratorUnavailableError(f"Prefect does not answer ({type(error).__name__}).") from error
            if response.status_code not in (502, 503):
                return response
            await response.aclose()
            if pause_seconds is not None:
                await asyncio.sleep(pause_seconds)
        raise OrchestratorUnavailableError(f"Prefect answers {response.status_code}.")


@contextmanager
def translated(missing_message: str = "Prefect does not know it.", *, missing: bool = False) -> Iterator[None]:
    """Turn the client's exceptions into ours.

    Args:
        missing_message: What to say when the object does not exist.
        missing: Its absence is a fault of the installation, not of the request.

    Raises:
        NotFoundError: The object does not exist.
        InvalidRequestError: Prefect does not take the call.
        OrchestratorUnavailableError: Prefect cannot answer, or lacks what the bootstrap makes.
    """
    try:
        yield
    except ObjectNotFound as error:
        raise (OrchestratorUnavailableError if missing else NotFoundError)(missing_message) from error
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        if status == 404:
            raise NotFoundError(missing_message) from error
        if status in (401, 403, 429) or status >= 500:
            raise OrchestratorUnavailableError(f"Prefect answers {status}.", {"status": status}) from error
        raise InvalidRequestError(f"Prefect refuses the call: {_detail(error.response)}", {"status": status}) from error


def _detail(response: httpx.Response) -> str:
    return response.text[:500]
