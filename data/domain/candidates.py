"""Candidates: complete versions that were checked, and wait for a person to say whether they may become public."""

from datetime import datetime
from enum import StrEnum

from data.domain.model import DomainModel
from data.domain.publications import PublicationManifest


class CandidateState(StrEnum):
    """What has become of a candidate."""

    WAITING = "waiting"
    APPROVED = "approved"
    """It was published."""
    REJECTED = "rejected"
    """A person does not want it public."""
    SUPERSEDED = "superseded"
    """A later job made another version before anybody decided."""


class Candidate(DomainModel):
    """A version that waits for a decision, or waited."""

    asset_id: str
    job_id: str
    state: CandidateState
    manifest: PublicationManifest
    """As it would be public; its version is given when it is published."""
    work_key: str
    """Of everything that its job was asked for."""
    why: str
    """Why it waits, in words for a person."""
    created_at: datetime
    decided_at: datetime | None = None
    decided_by: str | None = None
    decision: str = ""
    """Why it was decided so, in the person's own words."""
