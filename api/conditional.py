"""Answers that are not sent again while nothing has changed (``ETag``, ``If-None-Match``)."""

import hashlib
from typing import Annotated

import orjson
from fastapi import Header
from pydantic import BaseModel
from starlette.responses import Response

IfNoneMatch = Annotated[str | None, Header(description="The `ETag` that you have: 304 while it holds.")]


def unless_known(shown: BaseModel, if_none_match: str | None) -> Response:
    """Return what is shown with its ``ETag``, or 304 if the caller has it already."""
    content = orjson.dumps(shown.model_dump(mode="json"))
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if if_none_match and etag in [each.strip().removeprefix("W/") for each in if_none_match.split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/json")
