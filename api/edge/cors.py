"""Which web sites' scripts may call the API from a browser. Never with cookies: callers identify by headers."""

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

EXPOSED = (
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Location",
    "RateLimit-Limit",
    "RateLimit-Policy",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "X-Request-ID",
    "X-Response-Time-Ms",
)


def is_open_to_all(origins: list[str]) -> bool:
    """Say whether any web site may call; production refuses to start with that."""
    return "*" in origins


def cors(origins: list[str]) -> list[Middleware]:
    """Return the middleware for the origins; none where no site may call."""
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "If-Match",
                "If-None-Match",
                "Last-Event-ID",
                "Range",
                "Traceparent",
                "X-API-Key",
                "X-Request-ID",
            ],
            expose_headers=EXPOSED,
            max_age=600,
        )
    ]
