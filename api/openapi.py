"""The OpenAPI description, completed in one place: what every operation can answer, tags, examples, readable names.

Routes say what is their own (a 409 and why); what comes of how the API is built is added here by rule, so that no
route can forget it.
"""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from api.access import SCHEMES, security_of
from api.batch_schemas import BatchRequest
from api.errors import MEDIA_TYPE
from api.links import BASE
from api.samples import EXAMPLES, sample

Json = dict[str, Any]

READ_BY_ROUTES = (BatchRequest,)

DESCRIPTION = """
Folders, manifests and prompts into published video: **ingest → transcode → generate → publish**.

* A call that starts work answers `202` with a `Location` to follow. Send an `Idempotency-Key` with it, and it can be
  repeated safely.
* Lists come in pages: pass the `next` of an answer as `after`. It stays right while new entries arrive.
* Poll with `If-None-Match`: `304` costs next to nothing.
* Every error is `application/problem+json` (RFC 9457) with a stable `code`, and the `request_id` under which our log
  has it.
* `RateLimit-Limit`, `-Remaining`, `-Reset` and `-Policy` say where you stand; a `429` has a `Retry-After`.
"""

TAGS = {
    "service": "Is it alive, and can it take work?",
    "auth": "Who you are: sign-up, tokens, API keys.",
    "uploads": "Files handed in, until a job takes them.",
    "jobs": "One source, prompt or script on its way to a published video.",
    "batches": "Manifests in, morning reports out.",
    "schedules": "Batches that are made by the clock.",
    "assets": "Videos: what they are, what of them is public, and what waits for a person.",
    "search": "The moments of public videos that answer a question.",
    "recipes": "What a job can ask for by name.",
    "providers": "Who makes video of words, and how they are.",
    "generations": "The ledger of what was asked of providers, and what it cost.",
    "media": "Files of publications, for players.",
    "webhooks": "Who is told what happens.",
    "logs": "What runs have logged.",
    "audit": "Who did what, and what happened.",
}

_REASONS = {
    400: "The body is not JSON, or the call cannot be read.",
    401: "Nobody, or nobody known, makes the call.",
    403: "The caller may not do this.",
    404: "There is no such thing, or it is another's.",
    405: "The address does not take this method.",
    408: "The body did not arrive in time.",
    409: "The state of things does not allow it; `facts` say what it does.",
    410: "It was there, and was cleared away; the message says how to have it again.",
    412: "It has changed since: read it again, then decide.",
    413: "The body is larger than is taken.",
    415: "The body is of a type, or in an encoding, that is not taken.",
    421: "The API does not answer by the host's name that the call gives.",
    422: "A field or a parameter has a value that is not taken; `errors` list them.",
    429: "Too many calls of this kind; `Retry-After` says when to try again.",
    431: "The address and the headers are longer than is taken, or too many. The connection ends with it.",
    500: "Something went wrong on our side; the log has it under `request_id`.",
    502: "A provider is at fault.",
    503: "Something that the service stands on is away for the moment; `Retry-After`.",
    504: "It was not done in time.",
}
_ALWAYS = (405, 421, 431, 500)
_WITHOUT_BODY = (431,)
"""The connection answers it, before anything of ours is reached."""
_WITH_BODY = (400, 408, 413, 415, 422)
_LIMITED = (401, 403, 429, 503)
_UNLIMITED = (f"{BASE}/health", "/media/")


def describe(app: FastAPI) -> Json:
    """Return the description of an application."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=DESCRIPTION.strip(),
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    used: set[str] = set()
    for path, operation in operations(document):
        operation["summary"] = _summary(operation.get("description", ""))
        used |= set(operation.get("tags", ()))
        _complete(path, operation)
    document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items() if name in used]
    schemas = document["components"]["schemas"]
    _add_schemas(schemas)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    document["components"]["responses"] = {_name(status): _problem_answer(status) for status in _REASONS}
    document["components"]["headers"] = _HEADERS
    document["components"]["securitySchemes"] = SCHEMES
    _add_security(app, document)
    _add_examples(document)
    return document


def _add_security(app: FastAPI, document: Json) -> None:
    """Say of each operation who may call it."""
    for route in iter_route_contexts(app.routes):
        security = security_of(route.original_route)
        if security and route.path_format in document["paths"]:
            for method in route.methods or ():
                document["paths"][route.path_format][method.lower()]["security"] = security


def _add_schemas(schemas: Json) -> None:
    """Add the bodies that routes read by themselves, because they come in two kinds."""
    for model in READ_BY_ROUTES:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        for name, inner in {**schema.pop("$defs", {}), model.__name__: schema}.items():
            schemas.setdefault(name, inner)


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    """Go through the operations of a description, each with its path."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in ("get", "head", "post", "put", "patch", "delete"):
                yield path, operation


def _summary(docstring: str) -> str:
    """The first sentence."""
    text = " ".join(docstring.split("\n\n")[0].split())
    return re.split(r"(?<=[.;:!?])\s", text, maxsplit=1)[0].rstrip(".;:")


def _complete(path: str, operation: Json) -> None:
    answers = operation["responses"]
    for status, answer in answers.items():
        if _is_problem(answer):
            reason = answer.get("description", "")
            schema = answer["content"]["application/json"]["schema"]
            is_own = reason not in ("", _phrase(status), "Additional Response", "Validation Error")
            answers[status] = _problem_answer(int(status), reason, schema) if is_own else _reference(int(status))
        elif status in ("201", "202"):
            answer.setdefault("headers", {})["Location"] = {"$ref": "#/components/headers/Location"}
    parameters = operation.get("parameters", [])
    if "422" in answers or parameters or "requestBody" in operation:
        answers["422"] = answers.get("422") if _is_explained(answers.get("422")) else _reference(422)
    for status in _implied(path, operation):
        answers.setdefault(str(status), _reference(status))
    if any(each["in"] == "header" and each["name"].lower() == "if-none-match" for each in parameters):
        answers.setdefault("304", {"description": "It has not changed.", "headers": {"ETag": _ETAG}})
        answers["200"].setdefault("headers", {})["ETag"] = _ETAG
    if any(each["in"] == "header" and each["name"].lower() == "if-match" for each in parameters):
        answers.setdefault("412", _reference(412))
    operation["responses"] = dict(sorted(answers.items()))


def _implied(path: str, operation: Json) -> Iterator[int]:
    yield from _ALWAYS
    if not path.startswith(_UNLIMITED):
        yield from _LIMITED
    if "requestBody" in operation:
        yield from _WITH_BODY
    if "{" in path:
        yield 404


def _is_problem(answer: Json) -> bool:
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return str(schema.get("$ref", "")).endswith(("Problem", "/HTTPValidationError"))


def _is_explained(answer: Json | None) -> bool:
    return answer is not None and ("$ref" in answer or MEDIA_TYPE in answer.get("content", {}))


def _phrase(status: str) -> str:
    return HTTPStatus(int(status)).phrase


def _name(status: int) -> str:
    return HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")


def _reference(status: int) -> Json:
    return {"$ref": f"#/components/responses/{_name(status)}"}


def _problem_answer(status: int, reason: str = "", schema: Json | None = None) -> Json:
    answer: Json = {"description": reason or _REASONS.get(status, _phrase(str(status)))}
    if status not in _WITHOUT_BODY:
        answer["content"] = {MEDIA_TYPE: {"schema": schema or {"$ref": "#/components/schemas/Problem"}}}
    if status in (429, 503):
        answer["headers"] = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
    return answer


_ETAG: Json = {"$ref": "#/components/headers/ETag"}
_HEADERS: Json = {
    "Location": {"description": "Where to follow it.", "schema": {"type": "string"}},
    "ETag": {"description": "Changes when anything of the answer does.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 0}},
}


def _add_examples(document: Json) -> None:
    """Give every body and answer an example: one of ours where there is one, else one made of its schema."""
    schemas = document["components"]["schemas"]
    for _, operation in operations(document):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in (body.get("content", {}) for body in bodies):
            for kind, media in content.items():
                if kind == "application/json" and "example" not in media and "examples" not in media:
                    media["example"] = sample(media.get("schema", {}), schemas)
    for answer in document["components"]["responses"].values():
        if "content" in answer:
            answer["content"][MEDIA_TYPE]["example"] = EXAMPLES["Problem"]
