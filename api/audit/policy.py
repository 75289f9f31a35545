"""Which calls the audit has, and which of them it must have before they are answered.

In it are: every call that changes something; everything about logging in; everything that was refused for want of a
right (401, 403); and everything that somebody looked at with an administrator's rights, who sees others' things. Not
in it: what people read of their own, what everybody may read, and, on a machine where nobody logs in, what is read.
"""

import uuid

from api.exchanges import NO_ROUTE, Exchange
from api.links import BASE
from data.domain.audit import AuditEntry, AuditKind
from data.domain.identity import LOCAL_USER, Scope

READING = frozenset({"GET", "HEAD", "OPTIONS"})
_REFUSED = frozenset({401, 403})
_ACCOUNTS = (f"{BASE}/auth", f"{BASE}/api-keys")


def is_write(exchange: Exchange) -> bool:
    """Say whether a call may have changed something: it must be in the audit before its answer is sent."""
    return exchange.method not in READING and exchange.route != NO_ROUTE


def is_sensitive(exchange: Exchange) -> bool:
    """Say whether a call belongs into the audit."""
    if is_write(exchange) or exchange.status in _REFUSED or exchange.route.startswith(_ACCOUNTS):
        return True
    caller = exchange.caller
    return caller is not None and caller.sees_all and caller.id != LOCAL_USER


def entry_of(exchange: Exchange) -> AuditEntry:
    """Return a call as an entry."""
    caller = exchange.caller
    return AuditEntry(
        id=uuid.uuid4().hex,
        kind=AuditKind.ACCESS,
        at=exchange.at,
        user=caller.id if caller else None,
        key=caller.key_id if caller else None,
        address=exchange.address,
        scope=exchange.scope or (_scope(exchange) if caller else None),
        method=exchange.method,
        route=exchange.route,
        resource=exchange.resource,
        status=exchange.status,
        request_id=exchange.request_id,
        trace_id=exchange.trace_id,
        duration_ms=round(exchange.seconds * 1000),
    )


def _scope(exchange: Exchange) -> str:
    return (Scope.WRITE if is_write(exchange) else Scope.READ).value
