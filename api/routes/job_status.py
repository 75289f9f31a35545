"""The state of one job: what clients ask for again and again while they wait, so this read is made light.

Most calls of the API are polls of a job. What such a read stands on is shared by all who ask (the job in
`api.gateway.known_jobs`; its JSON and ``ETag`` in `api.job_answers`), so that what is left of its cost is the framework
around it. FastAPI looks at every parameter of every dependency anew for each call, which took longer than all else that
a read does, and finds a route of an included router by asking each router twice. So this route is the application's
own, its first, and calls its endpoint by itself: the same function with the same arguments, and described, guarded and
counted like all others.
"""

from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from api.access import allow, check_scopes
from api.conditional import IfNoneMatch, unless_known
from api.dependencies import ServicesDependency, services_of
from api.edge.limiting import admitted
from api.job_answers import job_answer
from api.links import BASE
from api.routes.jobs import NOT_FOUND
from api.schemas import Job
from data.domain.identity import Scope

NEEDED = (Scope.READ,)
NOT_IDS = frozenset({"search", "metrics"})
"""What stands in place of an id in addresses of their own, whose routes are tried later."""


async def get_job(job_id: str, services: ServicesDependency, if_none_match: IfNoneMatch = None) -> Response:
    """Show a job. The `ETag` changes when anything about it does: poll with `If-None-Match`."""
    return unless_known(await job_answer(await services.gateway.get(job_id), services), if_none_match)


class StatusRoute(APIRoute):
    """Calls :func:`get_job` with what its signature and its dependencies ask for, without FastAPI's solving them."""

    def matches(self, scope: AsgiScope) -> tuple[Match, AsgiScope]:
        """Take calls that name a job."""
        match, found = super().matches(scope)
        is_other = match is not Match.NONE and found["path_params"]["job_id"] in NOT_IDS
        return (Match.NONE, {}) if is_other else (match, found)

    async def handle(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer a call; of what is refused the application makes problems, as of all that routes raise."""
        if scope["method"] != "GET":
            await super().handle(scope, receive, send)
            return
        request = Request(scope, receive)
        check_scopes(request, await admitted(request), NEEDED)
        services = await services_of(request)
        answer = await get_job(scope["path_params"]["job_id"], services, request.headers.get("If-None-Match"))
        await answer(scope, receive, send)


def add_to(app: FastAPI) -> None:
    """Add the route to an application, before those that it would have to be looked for behind."""
    app.router.add_api_route(
        f"{BASE}/jobs/{{job_id}}",
        get_job,
        methods=["GET"],
        tags=["jobs"],
        dependencies=[Depends(admitted), *(allow(scope) for scope in NEEDED)],
        response_model=Job,
        responses=NOT_FOUND,
        route_class_override=StatusRoute,
    )
