"""The web as sources come from it: an HTTP client that reaches public addresses only (:mod:`data.addresses`)."""

import httpx

from data.addresses import GuardedTransport

_MAX_REDIRECTS = 5


def public_client(*, allow_private_hosts: bool, timeout_seconds: float) -> httpx.Client:
    """Return a client that reaches public ``https://`` addresses only.

    Args:
        allow_private_hosts: Reach ``http://`` and private addresses too (tests, closed networks).
        timeout_seconds: Longest silence.
    """
    return httpx.Client(
        transport=GuardedTransport(allow_private_hosts=allow_private_hosts),
        follow_redirects=True,
        max_redirects=_MAX_REDIRECTS,
        timeout=timeout_seconds,
        trust_env=False,  # a proxy would resolve names behind our back
        headers={"user-agent": "dailies-ingest", "accept-encoding": "identity"},
    )
