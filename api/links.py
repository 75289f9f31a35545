"""Addresses inside the API. Relative to the origin, so that they hold behind any proxy."""

from contextvars import ContextVar
from urllib.parse import quote

BASE = "/api/v1"
MEDIA = "/media"
"""Playback files lie outside the API's base: ``/media/{asset}/{version}/{path}``. The version in the address makes each
file immutable, so browsers, proxies and CDNs may keep it for ever, and relative paths inside playlists just work."""
PREFIX: ContextVar[str] = ContextVar("prefix", default="")
"""The path below which a trusted proxy shows the API to the caller of this request, and which it takes off."""


def job_url(job_id: str) -> str:
    """Return the address of a job."""
    return f"{PREFIX.get()}{BASE}/jobs/{job_id}"


def batch_url(batch_id: str) -> str:
    """Return the address of a batch."""
    return f"{PREFIX.get()}{BASE}/batches/{batch_id}"


def schedule_url(name: str) -> str:
    """Return the address of a schedule."""
    return f"{PREFIX.get()}{BASE}/schedules/{quote(name, safe='')}"


def generation_url(generation_id: str) -> str:
    """Return the address of an entry of the ledger."""
    return f"{PREFIX.get()}{BASE}/generations/{generation_id}"


def user_url(user_id: str) -> str:
    """Return the address of a user."""
    return f"{PREFIX.get()}{BASE}/users/{user_id}"


def webhook_url(endpoint_id: str) -> str:
    """Return the address of who is told by a webhook."""
    return f"{PREFIX.get()}{BASE}/webhooks/{endpoint_id}"


def asset_url(asset_id: str) -> str:
    """Return the address of an asset's facts."""
    return f"{PREFIX.get()}{BASE}/assets/{asset_id}"


def watch_url(asset_id: str) -> str:
    """Return the address of an asset's player page."""
    return f"{PREFIX.get()}/watch/{asset_id}"


def candidate_url(asset_id: str, *parts: str) -> str:
    """Return the address of what waits of an asset, or of something of it; below the API, not public."""
    return "/".join((f"{asset_url(asset_id)}/candidate", *(quote(part) for part in parts)))


def analysis_url(asset_id: str, *parts: str) -> str:
    """Return the address of what was found in an asset, or of a file of that; below the API, not public."""
    return "/".join((f"{asset_url(asset_id)}/analysis", *(quote(part, safe="") for part in parts)))


def events_url(asset_id: str) -> str:
    """Return the address of the events that were found in an asset."""
    return f"{asset_url(asset_id)}/events"


def moment_url(asset_id: str, at_seconds: float) -> str:
    """Return the address of an asset's player page at a time."""
    return f"{watch_url(asset_id)}#t={at_seconds:g}"


def media_url(asset_id: str, version: int, path: str) -> str:
    """Return the address of one file of a publication."""
    return f"{PREFIX.get()}{MEDIA}/{asset_id}/{version}/{quote(path)}"


def prefect_run_url(ui_url: str, job_id: str) -> str:
    """Return the address of a job's run in the Prefect UI."""
    return f"{ui_url.rstrip('/')}/runs/flow-run/{job_id}"


def prefect_deployment_url(ui_url: str, deployment_id: str) -> str:
    """Return the address of a deployment in the Prefect UI."""
    return f"{ui_url.rstrip('/')}/deployments/deployment/{deployment_id}"
