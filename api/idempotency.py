"""``Idempotency-Key`` (IETF draft): the same call again gets the first one's answer, and starts nothing twice.

Two nets. The catalogue keeps the answer by caller, call and key. Should this process die between Prefect's taking the
run and the catalogue's keeping the answer, the repeated call reaches Prefect again with the same key of its own, and
gets the run that is there already.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import Depends, Header, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from api.conditional import IfMatch
from api.dependencies import Services, ServicesDependency
from data.domain.errors import InvalidRequestError
from data.repositories import IdempotencyRepository, StoredAnswer

KeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=257,
        description="Yours to choose, unique for each thing to be done: repeat the call with it as often as you like.",
    ),
]

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True)
class Answered:
    """What a call came to."""

    status_code: int
    body: dict[str, Any]
    location: str


async def once(
    services: Services,
    request: Request,
    key: str | None,
    body: dict[str, Any],
    act: Callable[[str | None], Awaitable[Answered]],
) -> Response:
    """Carry out a call, at most once a key.

    Args:
        services: The doors.
        request: The call.
        key: Its ``Idempotency-Key``; without one it is simply carried out.
        body: Its body as understood, so that the order of fields makes no difference.
        act: Carries it out; gets the key to hand on to Prefect.

    Raises:
        IdempotencyMismatchError: The key was used with another body.
        IdempotencyInFlightError: The first call is still being carried out.
        InvalidRequestError: The key is not one.
    """
    if key is None:
        return _response(await act(None))
    name = _bare(key)
    scope = f"{services.caller.id} {request.method} {request.url.path}"
    fingerprint = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
    stored = await run_in_threadpool(_begin, services, scope, name, fingerprint)
    if stored is not None:
        return _response(Answered(stored.status_code, stored.response, stored.location or ""), is_replay=True)
    # The body is part of Prefect's key: ours is forgotten one day, Prefect's is not, and another body is another job.
    prefect_key = hashlib.sha256(f"{scope}\n{name}\n{fingerprint}".encode()).hexdigest()
    answered: Answered | None = None
    try:
        answered = await act(prefect_key)
    finally:
        if answered is None:  # refused or failed: the caller may mend it and use the key again
            await run_in_threadpool(_abandon, services, scope, name)
    await run_in_threadpool(_finish, services, scope, name, answered)
    return _response(answered)


@dataclass(frozen=True)
class Move:
    """A call that moves on what its caller has seen (``If-Match``), and that may be sent again with its key."""

    request: Request
    services: Services
    if_match: str | None
    key: str | None

    async def once(
        self,
        moved_id: str,
        check: Callable[[str, Services, str | None], Awaitable[None]],
        act: Callable[[], Awaitable[Answered]],
    ) -> Response:
        """Carry out the call, at most once a key, if what it moves is still as its caller has seen it.

        Args:
            moved_id: What is moved.
            check: Looks whether that is so. A call that is repeated gets its answer, though it is another by now.
            act: Carries it out.

        Raises:
            PreconditionFailedError: It is not as it was.
            IdempotencyMismatchError: The key was used for something else.
            IdempotencyInFlightError: The first call is still being carried out.
            InvalidRequestError: The key is not one.
        """

        async def checked(_: str | None) -> Answered:
            await check(moved_id, self.services, self.if_match)
            return await act()

        return await once(self.services, self.request, self.key, {}, checked)


async def _move(
    request: Request, services: ServicesDependency, if_match: IfMatch = None, idempotency_key: KeyHeader = None
) -> Move:
    return Move(request, services, if_match, idempotency_key)


def _bare(key: str) -> str:
    """Take the key as the draft writes it (a quoted string) or bare, as most clients send it."""
    bare = key[1:-1] if len(key) >= 2 and key[0] == key[-1] == '"' else key
    if not _KEY.fullmatch(bare):
        raise InvalidRequestError(
            "An Idempotency-Key has 1 to 255 visible ASCII characters.", {"field": "Idempotency-Key"}
        )
    return bare


def _begin(services: Services, scope: str, key: str, fingerprint: str) -> StoredAnswer | None:
    with services.database.session() as session:
        return IdempotencyRepository(session).begin(scope, key, fingerprint)


def _finish(services: Services, scope: str, key: str, answered: Answered) -> None:
    with services.database.session() as session:
        IdempotencyRepository(session).finish(
            scope, key, status_code=answered.status_code, response=answered.body, location=answered.location
        )


def _abandon(services: Services, scope: str, key: str) -> None:
    with services.database.session() as session:
        IdempotencyRepository(session).abandon(scope, key)


def _response(answered: Answered, *, is_replay: bool = False) -> Response:
    headers = {"Location": answered.location} | ({"Idempotency-Replayed": "true"} if is_replay else {})
    return Response(orjson.dumps(answered.body), answered.status_code, headers, "application/json")


MoveDependency = Annotated[Move, Depends(_move)]
"""For routes that move a job or a batch, and take an ``Idempotency-Key``."""
