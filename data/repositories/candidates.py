"""Candidates: versions that wait for a person. At most one of an asset waits."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select, tuple_, update
from sqlalchemy.orm import Session

from data.domain.candidates import Candidate, CandidateState
from data.domain.findings import Decision
from data.domain.publications import PublicationManifest
from data.repositories.statements import in_chunks, storable, upsert
from data.tables import AssetOwnerRow, CandidateRow, utc_now

_WAITING = CandidateState.WAITING.value


class CandidateRepository:
    """Candidates within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def wait(self, manifest: PublicationManifest, work_key: str, why: str) -> None:
        """Record that a version waits; one of the same asset that waited before is superseded."""
        self.supersede(manifest.asset_id)
        values = {
            "state": _WAITING,
            "manifest": manifest.model_dump(mode="json"),
            "content_key": manifest.content_key,
            "work_key": work_key,
            "why": why,
            "created_at": utc_now(),
            "decided_at": None,
            "decided_by": None,
            "decision": "",
        }
        upsert(self._session, CandidateRow, {"asset_id": manifest.asset_id, "job_id": manifest.job_id}, values)

    def supersede(self, asset_id: str) -> None:
        """Note that whatever waits of an asset has been overtaken."""
        waiting = (CandidateRow.asset_id == asset_id, CandidateRow.state == _WAITING)
        values = {"state": CandidateState.SUPERSEDED.value, "decided_at": utc_now()}
        self._session.execute(update(CandidateRow).where(*waiting).values(**values))

    def waiting(self, asset_id: str) -> Candidate | None:
        """Return what waits of an asset; ``None`` when nothing does."""
        latest = self.latest(asset_id)
        return latest if latest and latest.state is CandidateState.WAITING else None

    def latest(self, asset_id: str) -> Candidate | None:
        """Return the candidate of an asset that was made last, decided or not."""
        query = select(CandidateRow).where(CandidateRow.asset_id == storable(asset_id))
        row = self._session.scalar(query.order_by(CandidateRow.created_at.desc(), CandidateRow.job_id).limit(1))
        return None if row is None else _candidate(row)

    def of_job(self, job_id: str) -> Candidate | None:
        """Return the candidate that a job made; ``None`` when it made none."""
        row = self._session.scalar(select(CandidateRow).where(CandidateRow.job_id == storable(job_id)).limit(1))
        return None if row is None else _candidate(row)

    def rejected(self, asset_id: str, content_key: str) -> Candidate | None:
        """Return the candidate with the same content that a person has rejected; ``None`` when there is none."""
        query = select(CandidateRow).where(
            CandidateRow.asset_id == asset_id,
            CandidateRow.content_key == content_key,
            CandidateRow.state == CandidateState.REJECTED.value,
        )
        row = self._session.scalar(query.order_by(CandidateRow.decided_at.desc()).limit(1))
        return None if row is None else _candidate(row)

    def decide(self, candidate: Candidate, state: CandidateState, decision: Decision) -> bool:
        """Note what a person decided of a candidate that waits.

        Returns:
            ``False`` when it does not wait any more.
        """
        query = update(CandidateRow).where(
            CandidateRow.asset_id == candidate.asset_id,
            CandidateRow.job_id == candidate.job_id,
            CandidateRow.state == _WAITING,
        )
        values = {
            "state": state.value,
            "decided_at": decision.at,
            "decided_by": storable(decision.by),
            "decision": storable(decision.reason),
        }
        return self._session.scalar(query.values(**values).returning(CandidateRow.job_id)) is not None

    def all_waiting(
        self, *, after: tuple[datetime, str] | None = None, limit: int = 1000, owner: str | None = None
    ) -> tuple[Candidate, ...]:
        """Return what waits, the longest waiting first.

        Args:
            after: (created_at, asset id) of the last one of the page before.
            limit: At most this many.
            owner: Of whose assets alone; ``None`` is everybody's.
        """
        row = CandidateRow
        query = select(row).where(row.state == _WAITING).order_by(row.created_at, row.asset_id).limit(limit)
        if owner is not None:
            own = select(AssetOwnerRow.asset_id).where(AssetOwnerRow.owner == owner)
            query = query.where(row.asset_id.in_(own))
        if after is not None:
            query = query.where(tuple_(row.created_at, row.asset_id) > after)
        return tuple(map(_candidate, self._session.scalars(query)))

    def waiting_of(self, asset_ids: Iterable[str]) -> dict[str, Candidate]:
        """Return what waits of some assets, by asset; without those of which nothing does."""
        query = select(CandidateRow).where(CandidateRow.state == _WAITING)
        found: dict[str, Candidate] = {}
        for chunk in in_chunks(asset_ids):
            rows = self._session.scalars(query.where(CandidateRow.asset_id.in_(chunk)))
            found |= {row.asset_id: _candidate(row) for row in rows}
        return found

    def waiting_assets(self) -> frozenset[str]:
        """Return the assets of which something waits."""
        return frozenset(self._session.scalars(select(CandidateRow.asset_id).where(CandidateRow.state == _WAITING)))


def _candidate(row: CandidateRow) -> Candidate:
    return Candidate(
        asset_id=row.asset_id,
        job_id=row.job_id,
        state=CandidateState(row.state),
        manifest=PublicationManifest.model_validate(row.manifest),
        work_key=row.work_key,
        why=row.why,
        created_at=row.created_at,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        decision=row.decision,
    )
