"""Which analysis each job came to: it made it, or found that it was made before, maybe for somebody else."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from data.repositories.statements import storable, upsert
from data.tables import AnalysisJobRow, utc_now


@dataclass(frozen=True, slots=True)
class AnalysisJob:
    """A job that had an asset looked at."""

    job_id: str
    asset_id: str
    key: str
    """Of the analysis, as its artifact has it."""
    created_at: datetime


class AnalysisJobRepository:
    """Jobs and their analyses within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def record(self, job_id: str, asset_id: str, key: str, owner: str) -> None:
        """Remember what a job came to; if it is retried, the last word counts.

        Args:
            job_id: The job.
            asset_id: What it looked at.
            key: Of the analysis.
            owner: Whose job it is.
        """
        values = {"asset_id": asset_id, "key": key, "owner": owner, "created_at": utc_now()}
        upsert(self._session, AnalysisJobRow, {"job_id": job_id}, values)

    def of_job(self, job_id: str) -> AnalysisJob | None:
        """Return what a job came to, ``None`` if it looked at nothing, or has not ended."""
        row = self._session.get(AnalysisJobRow, storable(job_id))
        return None if row is None else _job(row)

    def of_asset(self, asset_id: str, owner: str | None) -> tuple[AnalysisJob, ...]:
        """Return the jobs that looked at an asset, the latest first.

        Args:
            asset_id: The asset.
            owner: Whose jobs; ``None``: everybody's.
        """
        query = select(AnalysisJobRow).where(AnalysisJobRow.asset_id == storable(asset_id))
        if owner is not None:
            query = query.where(AnalysisJobRow.owner == owner)
        ordered = query.order_by(AnalysisJobRow.created_at.desc(), AnalysisJobRow.job_id)
        return tuple(map(_job, self._session.scalars(ordered)))


def _job(row: AnalysisJobRow) -> AnalysisJob:
    return AnalysisJob(row.job_id, row.asset_id, row.key, row.created_at)
