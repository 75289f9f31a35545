"""What the API says of itself: its description for machines, and a page for people. Our own files, nothing foreign."""

import hashlib
from functools import lru_cache

import orjson
from fastapi import APIRouter, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response

from api.conditional import is_known
from api.links import BASE, PREFIX
from api.middleware import PAGE_CSP
from api.openapi import describe
from api.routes.watch import CONSOLE

router = APIRouter(include_in_schema=False)


@router.get(f"{BASE}/openapi.json")
async def openapi(request: Request) -> Response:
    """Describe the API (OpenAPI 3.1), as it is addressed by the caller."""
    content, etag = await run_in_threadpool(_described, request.app, PREFIX.get())
    headers = {"ETag": etag, "Cache-Control": "no-cache", "Cross-Origin-Resource-Policy": "cross-origin"}
    if is_known(etag, request.headers.get("If-None-Match")):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/json", headers=headers)


@router.api_route("/docs", methods=["GET", "HEAD"])
async def docs() -> FileResponse:
    """Show the page, which reads the description by itself."""
    headers = {"Content-Security-Policy": PAGE_CSP, "Cache-Control": "no-cache"}
    return FileResponse(CONSOLE / "docs.html", headers=headers)


@lru_cache(maxsize=8)
def _described(app: FastAPI, prefix: str) -> tuple[bytes, str]:
    content = orjson.dumps({**describe(app), "servers": [{"url": prefix or "/", "description": "This server."}]})
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'
