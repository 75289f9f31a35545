"""The audit: who did what, and through which states runs went, in one chain that nobody can change unseen.

Every entry gets the next number, without gaps, and a hash over itself and the hash before it::

    hash(n) = SHA-256( canonical JSON of { the entry, "sequence": n, "previous": hash(n - 1) } )

The canonical form is that of RFC 8785 for what stands here (texts, whole numbers, nulls): keys in order, no spaces,
UTF-8, no escapes but those that JSON demands; times are RFC 3339 in UTC with microseconds. The first entry's
``previous`` is 64 zeros. Whoever has an export can check it with a dozen lines of any language.

A chain shows what was changed, removed in between, or reordered. That its *end* was cut off, or that all of it was
reckoned anew, is shown by its *heads*: number and hash of the last entry, kept where the chain is not (the object
store), signed where a key is configured.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import AwareDatetime, Field

from data.domain.model import DomainModel

GENESIS = "0" * 64
"""What stands before the first entry."""


class AuditKind(StrEnum):
    """What an entry tells of."""

    ACCESS = "access"
    """A call of the API."""
    TRANSITION = "transition"
    """That a run came into a state."""


class AuditEntry(DomainModel):
    """One thing that happened."""

    id: str
    """Ours; the same entry handed in twice is kept once."""
    kind: AuditKind
    at: AwareDatetime
    user: str | None = None
    """Id of who called."""
    key: str | None = None
    """Id of the API key that was used."""
    address: str | None = None
    """Of the client."""
    scope: str | None = None
    """The scope that the call needed."""
    method: str | None = None
    route: str | None = None
    """Template of the path."""
    resource: str | None = None
    """Id of what the call was about."""
    status: int | None = None
    """Of the answer; ``499`` when the client went away before there was one."""
    request_id: str | None = None
    trace_id: str | None = None
    duration_ms: int | None = None
    """Until the answer began."""
    job: str | None = None
    """Id of the run."""
    from_state: str | None = None
    to_state: str | None = None
    reason: str | None = None


class ChainedEntry(DomainModel):
    """An entry in its place."""

    sequence: int = Field(ge=1)
    entry: AuditEntry
    previous: str
    hash: str

    @classmethod
    def after(cls, head: "ChainHead", entry: AuditEntry) -> "ChainedEntry":
        """Return an entry as the one that follows a head."""
        sequence = head.sequence + 1
        return cls(sequence=sequence, entry=entry, previous=head.hash, hash=digest(entry, sequence, head.hash))

    @property
    def head(self) -> "ChainHead":
        """The chain's head, as long as this is its last entry."""
        return ChainHead(sequence=self.sequence, hash=self.hash)

    def line(self) -> dict[str, object]:
        """Return it as a flat JSON object, as exports have it: what the hash covers, and the hash."""
        return {**_covered(self.entry, self.sequence, self.previous), "hash": self.hash}


class ChainHead(DomainModel):
    """How far a chain goes: number and hash of its last entry."""

    sequence: int = Field(0, ge=0)
    hash: str = GENESIS


class KeptHead(DomainModel):
    """A head that is kept apart from the chain."""

    sequence: int = Field(ge=0)
    hash: str
    at: AwareDatetime
    signature: str | None = None
    """HMAC-SHA-256 over the rest, where a key is configured."""

    @classmethod
    def of(cls, head: ChainHead, at: datetime, key: bytes | None) -> "KeptHead":
        """Return a head as it is kept."""
        kept = cls(sequence=head.sequence, hash=head.hash, at=at)
        return kept if key is None else kept.model_copy(update={"signature": kept.seal(key)})

    def seal(self, key: bytes) -> str:
        """Return the signature that belongs to it."""
        covered = {"sequence": self.sequence, "hash": self.hash, "at": moment(self.at)}
        return hmac.new(key, canonical(covered), hashlib.sha256).hexdigest()

    def is_genuine(self, key: bytes | None) -> bool:
        """Tell whether it was signed with the key; without a key every head is believed."""
        return key is None or hmac.compare_digest(self.signature or "", self.seal(key))


class Fault(DomainModel):
    """Where a chain is not what it was, and how."""

    sequence: int
    """Number of the first entry that is wrong or missing."""
    problem: str


class Verification(DomainModel):
    """What a check of the whole chain found."""

    ok: bool
    checked: int
    """So many entries were looked at."""
    first: int
    """Number of the first one; greater than 1 where older ones were put into the archive."""
    head: ChainHead
    heads: int
    """So many kept heads were compared."""
    fault: Fault | None = None


class ChainCheck:
    """Follows a chain entry by entry, and stops at the first that is wrong.

    Args:
        start: The head before the first entry that is given.
        heads: Heads that were kept, which the chain has to agree with.
    """

    def __init__(self, start: ChainHead, heads: Iterable[KeptHead] = ()) -> None:
        self.head = start
        self.checked = 0
        self.fault: Fault | None = None
        self._hashes: dict[int, set[str]] = {}
        for kept in heads:
            self._hashes.setdefault(kept.sequence, set()).add(kept.hash)
        self._last_kept = max(self._hashes, default=0)
        self._agree(start)

    def follow(self, entries: Iterable[ChainedEntry]) -> bool:
        """Check the next entries; say whether all is well so far."""
        for each in entries:
            if self.fault is None:
                self._step(each)
        return self.fault is None

    def finish(self, told: ChainHead) -> Fault | None:
        """Check the end; ``told`` is the head by the catalogue's own count."""
        if self.fault is None and self._last_kept > self.head.sequence:
            self._blame(self.head.sequence + 1, f"removed: a kept head knows entries up to {self._last_kept}")
        if self.fault is None and told != self.head:
            self._blame(min(self.head.sequence, told.sequence) + 1, f"the catalogue counts {told.sequence} entries")
        return self.fault

    def _step(self, each: ChainedEntry) -> None:
        expected = self.head.sequence + 1
        if each.sequence != expected:
            self._blame(expected, f"missing: the next entry is {each.sequence}")
        elif each.hash != digest(each.entry, each.sequence, each.previous):
            self._blame(expected, "changed: its hash is not that of its content")
        elif each.previous != self.head.hash:
            self._blame(expected, "out of place: it does not follow the entry before it")
        else:
            self.head = each.head
            self.checked += 1
            self._agree(self.head)

    def _agree(self, head: ChainHead) -> None:
        if self._hashes.get(head.sequence, {head.hash}) != {head.hash}:
            self._blame(head.sequence, "reckoned anew: a kept head has another hash")

    def _blame(self, sequence: int, problem: str) -> None:
        self.fault = Fault(sequence=sequence, problem=problem)


def digest(entry: AuditEntry, sequence: int, previous: str) -> str:
    """Return the hash of an entry in its place."""
    return hashlib.sha256(canonical(_covered(entry, sequence, previous))).hexdigest()


def canonical(value: dict[str, object]) -> bytes:
    """Return the one way of writing an object as JSON (RFC 8785, for texts, whole numbers and nulls)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def moment(at: datetime) -> str:
    """Return a time as it is hashed."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _covered(entry: AuditEntry, sequence: int, previous: str) -> dict[str, object]:
    values = {name: getattr(entry, name) for name in AuditEntry.model_fields}
    return {**values, "kind": str(entry.kind), "at": moment(entry.at), "sequence": sequence, "previous": previous}
