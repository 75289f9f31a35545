"""What this process counts as it happens. Labels take few values: templates of routes, never paths or ids."""

from prometheus_client import Counter, Gauge, Histogram

OTHER = "other"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REQUESTS = Counter("dailies_http_requests_total", "Requests that were answered.", ["method", "route", "status"])
DURATIONS = Histogram(
    "dailies_http_request_duration_seconds",
    "Time until an answer began.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5, 10, 30),
)
IN_FLIGHT = Gauge("dailies_http_requests_in_flight", "Requests under way.", multiprocess_mode="livesum")

TRANSITIONS = Counter("dailies_run_transitions_total", "Transitions of runs.", ["kind", "state", "reason"])
COLLECTED_AT = Gauge(
    "dailies_transitions_collected_timestamp_seconds", "When runs were last looked at.", multiprocess_mode="max"
)
AUDITED = Counter("dailies_audit_entries_total", "Entries handed to the audit.", ["outcome"])
CHAIN_OK = Gauge(
    "dailies_audit_chain_ok", "Whether the last check found the audit whole.", multiprocess_mode="mostrecent"
)

DELIVERIES = Counter("dailies_webhook_deliveries_total", "Attempts to deliver to webhooks.", ["outcome"])
DELIVERY_SECONDS = Histogram("dailies_webhook_delivery_seconds", "Time that receivers of webhooks took to answer.")


def count_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request that was answered."""
    known = method if method in METHODS else OTHER
    REQUESTS.labels(known, route, str(status)).inc()
    DURATIONS.labels(known, route).observe(seconds)


def count_delivery(outcome: str, seconds: float | None = None) -> None:
    """Count an attempt to deliver to a webhook.

    Args:
        outcome: ``delivered``; ``refused`` for any other answer, but ``disabled`` for the one that it is gone;
            ``failed`` without an answer.
        seconds: How long the receiver took, if it answered.
    """
    DELIVERIES.labels(outcome).inc()
    if seconds is not None:
        DELIVERY_SECONDS.observe(seconds)
