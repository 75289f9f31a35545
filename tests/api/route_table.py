"""Every route of the API with who may call it: a route that has no row here fails a test."""

from dataclasses import dataclass, field
from typing import Any, Literal

from data.domain.identity import Scope

BASE = "/api/v1"
Thing = Literal["job", "batch", "asset", "key", "webhook", "delivery", "schedule", ""]


@dataclass(frozen=True)
class Row:
    """What a route needs, and how a call of it looks."""

    scope: Scope | Literal["known", "anyone"]
    """``known``: whoever has said who they are."""
    thing: Thing = ""
    """What its path names that has an owner: another's must be as if it did not exist."""
    lacks: bool = False
    """Of the thing that the tests make there is not what the route asks for: 404 for its owner, too."""
    request: dict[str, Any] = field(default_factory=dict)
    """Arguments of the call, for httpx."""


READ, WRITE, ADMIN = Scope.READ, Scope.WRITE, Scope.ADMIN
JOB, BATCH, ASSET = Row(READ, "job"), Row(READ, "batch"), Row(READ, "asset")
MOVED_JOB, MOVED_BATCH = Row(WRITE, "job"), Row(WRITE, "batch")
BATCH_FILE = Row(READ, "batch", lacks=True)
MANIFEST = {"files": {"manifest": ("night.csv", b"custom_id,source\nfirst,/media/first.mp4\n")}}

TABLE: dict[tuple[str, str], Row] = {
    ("GET", f"{BASE}/openapi.json"): Row("anyone"),
    ("GET", "/docs"): Row("anyone"),
    ("GET", f"{BASE}/metrics"): Row("anyone"),  # this machine
    ("GET", f"{BASE}/audit"): Row(ADMIN),
    ("GET", f"{BASE}/audit/verify"): Row(ADMIN),
    ("GET", f"{BASE}/audit/export"): Row(ADMIN),
    ("GET", f"{BASE}/health"): Row("anyone"),
    ("GET", f"{BASE}/health/ready"): Row("anyone"),
    ("GET", "/media/{asset_id}"): Row("anyone"),
    ("GET", "/media/{asset_id}/{version}/{path:path}"): Row("anyone"),
    ("GET", "/watch/{asset_id}"): Row("anyone"),
    ("GET", "/console"): Row("anyone"),
    ("POST", f"{BASE}/auth/signup"): Row("anyone", request={"json": {"name": "a", "password": "short"}}),
    ("POST", f"{BASE}/auth/token"): Row("anyone", request={"data": {"grant_type": "refresh_token"}}),
    ("POST", f"{BASE}/auth/revoke"): Row("anyone", request={"data": {"token": "x"}}),
    ("GET", f"{BASE}/auth/me"): Row("known"),
    ("POST", f"{BASE}/auth/logout-everywhere"): Row("known"),
    ("POST", f"{BASE}/auth/password"): Row(
        "known", request={"json": {"old_password": "not this", "new_password": "a longer one than before"}}
    ),
    ("POST", f"{BASE}/api-keys"): Row(READ, request={"json": {"name": "for a test"}}),
    ("GET", f"{BASE}/api-keys"): Row(READ),
    ("DELETE", f"{BASE}/api-keys/{{key_id}}"): Row(READ, "key"),
    ("POST", f"{BASE}/users"): Row(ADMIN, request={"json": {"name": "a", "password": "short"}}),
    ("GET", f"{BASE}/users"): Row(ADMIN),
    ("GET", f"{BASE}/users/{{user_id}}"): Row(ADMIN),
    ("PATCH", f"{BASE}/users/{{user_id}}"): Row(ADMIN, request={"json": {}}),
    ("POST", f"{BASE}/uploads"): Row(WRITE, request={"files": {"file": ("clip.mp4", b"0")}}),
    ("POST", f"{BASE}/uploads/presigned"): Row(WRITE, request={"json": {"name": "clip.mp4", "size_bytes": 10}}),
    ("GET", f"{BASE}/uploads/{{upload_id}}/parts"): Row(WRITE),
    ("POST", f"{BASE}/uploads/{{upload_id}}/complete"): Row(
        WRITE, request={"json": {"parts": [{"number": 1, "etag": "x"}]}}
    ),
    ("DELETE", f"{BASE}/uploads/{{upload_id}}"): Row(WRITE),
    ("GET", f"{BASE}/jobs/search"): Row(READ),
    ("GET", f"{BASE}/jobs/metrics"): Row(READ),
    ("GET", f"{BASE}/logs/search"): Row(READ),
    # An id that is none ends the call with 422 for the owner, who would otherwise listen for long.
    ("GET", f"{BASE}/jobs/{{job_id}}/stream"): Row(READ, "job", request={"headers": {"Last-Event-ID": "none"}}),
    ("GET", f"{BASE}/jobs/{{job_id}}/artifacts"): JOB,
    ("PATCH", f"{BASE}/jobs/{{job_id}}"): Row(
        WRITE, "job", request={"json": {"metadata": {"a": 1}, "priority": "high"}}
    ),
    ("POST", f"{BASE}/jobs"): Row(WRITE, request={"json": {"prompt": "a rabbit"}}),
    ("GET", f"{BASE}/jobs"): Row(READ),
    ("GET", f"{BASE}/jobs/{{job_id}}"): JOB,
    ("GET", f"{BASE}/jobs/{{job_id}}/logs"): JOB,
    ("GET", f"{BASE}/jobs/{{job_id}}/history"): JOB,
    ("GET", f"{BASE}/jobs/{{job_id}}/events"): Row(READ, "job", lacks=True),
    ("POST", f"{BASE}/jobs/{{job_id}}/cancel"): MOVED_JOB,
    ("POST", f"{BASE}/jobs/{{job_id}}/retry"): MOVED_JOB,
    ("POST", f"{BASE}/jobs/{{job_id}}/pause"): MOVED_JOB,
    ("POST", f"{BASE}/jobs/{{job_id}}/resume"): MOVED_JOB,
    ("DELETE", f"{BASE}/jobs/{{job_id}}"): MOVED_JOB,
    ("POST", f"{BASE}/batches"): Row(WRITE, request=MANIFEST),
    ("POST", f"{BASE}/batches/plan"): Row(WRITE, request=MANIFEST),
    ("GET", f"{BASE}/batches"): Row(READ),
    ("GET", f"{BASE}/batches/{{batch_id}}"): BATCH,
    ("GET", f"{BASE}/batches/{{batch_id}}/items"): BATCH,
    ("GET", f"{BASE}/batches/{{batch_id}}/results"): BATCH_FILE,
    ("GET", f"{BASE}/batches/{{batch_id}}/rejects"): BATCH_FILE,
    ("GET", f"{BASE}/batches/{{batch_id}}/retry-manifest"): BATCH_FILE,
    ("GET", f"{BASE}/batches/{{batch_id}}/report"): BATCH_FILE,
    ("POST", f"{BASE}/batches/{{batch_id}}/start"): MOVED_BATCH,
    ("POST", f"{BASE}/batches/{{batch_id}}/pause"): MOVED_BATCH,
    ("POST", f"{BASE}/batches/{{batch_id}}/resume"): MOVED_BATCH,
    ("POST", f"{BASE}/batches/{{batch_id}}/cancel"): MOVED_BATCH,
    ("POST", f"{BASE}/batches/{{batch_id}}/retry"): MOVED_BATCH,
    ("GET", f"{BASE}/schedules"): Row(READ),
    ("POST", f"{BASE}/schedules"): Row(WRITE, request={"json": {"name": "n", "cron": "never"}}),
    ("GET", f"{BASE}/schedules/{{name}}"): Row(READ, "schedule"),
    ("PATCH", f"{BASE}/schedules/{{name}}"): Row(WRITE, "schedule", request={"json": {}}),
    ("DELETE", f"{BASE}/schedules/{{name}}"): Row(WRITE, "schedule"),
    ("GET", f"{BASE}/assets"): Row(READ),
    ("GET", f"{BASE}/assets/ranking"): Row(READ),
    ("GET", f"{BASE}/assets/{{asset_id}}"): ASSET,
    ("GET", f"{BASE}/assets/{{asset_id}}/analysis"): Row(READ, "asset", lacks=True),
    ("GET", f"{BASE}/assets/{{asset_id}}/analysis/{{key}}/files/{{name}}"): Row(READ, "asset", lacks=True),
    ("GET", f"{BASE}/assets/{{asset_id}}/events"): Row(READ, "asset", lacks=True),
    ("POST", f"{BASE}/assets/{{asset_id}}/analyze"): Row(WRITE, "asset", request={"json": {}}),
    ("POST", f"{BASE}/analyses"): Row(WRITE, request={"json": {"source": "upload:none"}}),
    ("POST", f"{BASE}/assets/{{asset_id}}/vote"): Row(READ, "asset", lacks=True),
    ("DELETE", f"{BASE}/assets/{{asset_id}}/vote"): Row(READ, "asset", lacks=True),
    ("DELETE", f"{BASE}/assets/{{asset_id}}"): Row(WRITE, "asset"),
    ("DELETE", f"{BASE}/assets/{{asset_id}}/source"): Row(WRITE, "asset"),
    ("DELETE", f"{BASE}/assets/{{asset_id}}/copies/{{target}}"): Row(WRITE, "asset", lacks=True),
    ("POST", f"{BASE}/assets/{{asset_id}}/publish"): Row(WRITE, "asset", lacks=True, request={"json": {}}),
    ("POST", f"{BASE}/assets/{{asset_id}}/retract"): Row(WRITE, "asset", lacks=True, request={"json": {"version": 1}}),
    ("GET", f"{BASE}/assets/{{asset_id}}/candidate/files/{{path:path}}"): Row(READ, "asset", lacks=True),
    ("GET", f"{BASE}/assets/{{asset_id}}/candidate/frames/{{number}}"): Row(READ, "asset", lacks=True),
    ("GET", f"{BASE}/search"): Row(READ, request={"params": {"q": "rabbit"}}),
    ("GET", f"{BASE}/recipes"): Row(READ),
    ("GET", f"{BASE}/recipes/{{name}}"): Row(READ),
    ("POST", f"{BASE}/webhooks"): Row(WRITE, request={"json": {"url": "https://127.0.0.1/hook"}}),
    ("GET", f"{BASE}/webhooks"): Row(READ),
    ("GET", f"{BASE}/webhooks/deliveries"): Row(READ),
    ("GET", f"{BASE}/webhooks/deliveries/{{delivery_id}}"): Row(READ, "delivery"),
    ("POST", f"{BASE}/webhooks/deliveries/{{delivery_id}}/replay"): Row(WRITE, "delivery"),
    ("GET", f"{BASE}/webhooks/{{endpoint_id}}"): Row(READ, "webhook"),
    ("PATCH", f"{BASE}/webhooks/{{endpoint_id}}"): Row(WRITE, "webhook", request={"json": {}}),
    ("DELETE", f"{BASE}/webhooks/{{endpoint_id}}"): Row(WRITE, "webhook"),
    ("GET", f"{BASE}/webhooks/{{endpoint_id}}/secret"): Row(WRITE, "webhook"),
    ("POST", f"{BASE}/webhooks/{{endpoint_id}}/rotate-secret"): Row(WRITE, "webhook", request={"json": {}}),
    ("POST", f"{BASE}/webhooks/{{endpoint_id}}/enable"): Row(WRITE, "webhook"),
    ("POST", f"{BASE}/webhooks/{{endpoint_id}}/disable"): Row(WRITE, "webhook"),
    ("POST", f"{BASE}/webhooks/{{endpoint_id}}/test"): Row(WRITE, "webhook"),
    ("POST", f"{BASE}/webhooks/{{endpoint_id}}/replay"): Row(
        WRITE, "webhook", request={"json": {"since": "2026-01-01T00:00:00Z"}}
    ),
    ("GET", f"{BASE}/providers/status"): Row(ADMIN),
    ("POST", f"{BASE}/providers/test"): Row(ADMIN, request={"json": {"providers": ["nobody"]}}),
    ("POST", f"{BASE}/providers/{{name}}/reset"): Row(ADMIN),
    ("GET", f"{BASE}/generations"): Row(ADMIN),
    ("GET", f"{BASE}/generations/{{generation_id}}"): Row(ADMIN),
    ("POST", f"{BASE}/generations/{{generation_id}}/release"): Row(ADMIN),
    ("POST", f"{BASE}/generations/{{generation_id}}/adopt"): Row(ADMIN, request={"json": {"provider_id": "x"}}),
    ("POST", f"{BASE}/generations/{{generation_id}}/drop"): Row(ADMIN),
}
