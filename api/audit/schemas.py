"""The shapes of the calls about the audit."""

from datetime import datetime

from pydantic import Field

from api.schemas import Answer
from data.domain.audit import AuditKind, ChainedEntry


class AuditAnswer(Answer):
    """One entry of the audit in its place in the chain."""

    sequence: int
    id: str
    kind: AuditKind
    at: datetime
    user: str | None = Field(description="Who called.")
    key: str | None = Field(description="The API key that was used.")
    address: str | None
    scope: str | None = Field(description="What the call needed.")
    method: str | None
    route: str | None = Field(description="Template of the path.")
    resource: str | None = Field(description="Id of what the call was about.")
    status: int | None
    request_id: str | None
    trace_id: str | None
    duration_ms: int | None
    job: str | None = Field(description="Id of the run that moved.")
    from_state: str | None
    to_state: str | None
    reason: str | None
    previous: str = Field(description="Hash of the entry before it.")
    hash: str

    @classmethod
    def of(cls, each: ChainedEntry) -> "AuditAnswer":
        """Return an entry as it is shown."""
        facts = {name: getattr(each.entry, name) for name in type(each.entry).model_fields}
        return cls(**facts, sequence=each.sequence, previous=each.previous, hash=each.hash)
