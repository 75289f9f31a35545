"""Who makes a call, and whether they may: dependencies of the routes."""

from typing import Annotated

from fastapi import Depends, Request

from data.domain.identity import LOCAL_CALLER, Caller


async def current_caller(request: Request) -> Caller:
    """Return who makes the call; kept in the request's state for what follows the answer (audit, metrics)."""
    caller = LOCAL_CALLER
    request.state.caller = caller
    return caller


CallerDependency = Annotated[Caller, Depends(current_caller)]
