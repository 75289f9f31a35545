"""Examples for the OpenAPI description: our own for what people meet first, for the rest one made of the schema."""

from typing import Any

Json = dict[str, Any]

_JOB_ID = "0198c7a2-4f0e-7c7b-9d59-1f6a3f1b2c3d"
_TIMES = {"date-time": "2026-01-31T22:00:00Z", "date": "2026-01-31", "uuid": _JOB_ID, "uri": "https://media.example/a"}

EXAMPLES: dict[str, Any] = {
    "JobSubmission": {
        "source": "upload:5f1d7a84c03b9e26a1d4f807",
        "recipe": "default",
        "overrides": {"captions.language": "en"},
        "priority": "high",
        "title": "Lighthouse, first cut",
        "metadata": {"ticket": "VID-1042"},
    },
    "JobPatch": {"priority": "high"},
    "JobGeneration": {
        "id": "5d0f1f0e-6a57-4a38-9d0e-1c5b1f0a7c11",
        "provider": "studio",
        "engine": "openai_videos",
        "model": "wan2.2",
        "capability": "image_to_video",
        "state": "stored",
        "seconds": 48.2,
        "charged": 0.8,
        "currency": "USD",
        "is_reused": False,
        "created_at": _TIMES["date-time"],
        "code": None,
        "message": "",
        "passed_over": [
            {
                "provider": "words",
                "code": "PROVIDER.GENERATION.REJECTED",
                "message": "it makes video of words alone, and does not show the files that are to be shown.",
            }
        ],
    },
    "BatchRequest": {
        "manifest": "s3://camera/tonight.csv",
        "name": "Tuesday night",
        "options": {"recipe": "default", "max_concurrency": 10},
    },
    "Problem": {
        "type": "urn:dailies:problem:request.not_found",
        "title": "There is no such job, asset or file.",
        "status": 404,
        "detail": f"There is no job {_JOB_ID}.",
        "instance": f"/api/v1/jobs/{_JOB_ID}",
        "code": "REQUEST.NOT_FOUND",
        "request_id": "6c1f0b8f1f0f4e0e9b7e5d2a3c4b5a69",
        "facts": {},
        "errors": [],
    },
}
"""By the names of their schemas."""


def sample(schema: Json, schemas: Json, depth: int = 0) -> Any:
    """Return a value that a schema allows.

    Args:
        schema: Of the value.
        schemas: The components it may refer to.
        depth: How deep in another value it stands; below a few levels what is optional is left out.
    """
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return EXAMPLES.get(name) or sample(schemas[name], schemas, depth)
    for key in ("const", "default", "example"):
        if key in schema and schema[key] is not None:
            return schema[key]
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return sample(schema[key][0], schemas, depth)
    return _by_type(schema, schemas, depth)


def _by_type(schema: Json, schemas: Json, depth: int) -> Any:
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        needed = set(schema.get("required", ()))
        named = schema.get("properties", {})
        return {name: sample(each, schemas, depth + 1) for name, each in named.items() if depth < 2 or name in needed}
    if kind == "array":
        count = max(schema.get("minItems", 0), 1 if depth < 3 else 0)
        return [sample(schema.get("prefixItems", [schema.get("items", {})])[0], schemas, depth + 1)] * count
    if kind == "string":
        return _TIMES.get(schema.get("format", ""), "text"[: schema.get("maxLength", 4)])
    if kind in ("integer", "number"):
        return max(schema.get("minimum", 0), schema.get("exclusiveMinimum", -1) + 1)
    return {"boolean": False, "null": None}.get(str(kind))
