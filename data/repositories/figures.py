"""Figures over the whole catalogue, for metrics, within one unit of work."""

from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from data.tables import (
    ArtifactRow,
    AssetRow,
    AuditHeadRow,
    BatchItemRow,
    BatchRow,
    GenerationRow,
    PackageRow,
    PublicationRow,
    StepCostRow,
    StepHitRow,
)


@dataclass(frozen=True, kw_only=True)
class StepFigures:
    """What one step came to, over all assets."""

    count: int
    machine_seconds: float
    media_seconds: float
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What there is."""

    counts: dict[str, int]
    """Rows by kind: ``assets``, ``packages``, ``artifacts``, ``publications``, ``audit``."""
    batches: dict[str, int]
    """By state."""
    items: dict[str, int]
    generations: dict[tuple[str, str], int]
    """By provider and state."""
    spent: dict[str, float]
    """By provider, in the settings' currency."""
    steps: dict[str, StepFigures]
    found_again: dict[str, int] = field(default_factory=dict)
    """By step: how often its result was there already."""


def read_figures(session: Session) -> Figures:
    """Return the figures of the catalogue."""
    tables = {"assets": AssetRow, "packages": PackageRow, "artifacts": ArtifactRow, "publications": PublicationRow}
    counts = {name: session.scalar(select(func.count()).select_from(table)) or 0 for name, table in tables.items()}
    counts["audit"] = session.scalar(select(AuditHeadRow.sequence)) or 0
    row = GenerationRow
    generations = select(row.provider, row.state, func.count(), func.sum(func.coalesce(row.charged, 0.0)))
    by_provider = session.execute(generations.group_by(row.provider, row.state)).all()
    spent: dict[str, float] = {}
    for provider, _, _, charged in by_provider:
        spent[provider] = spent.get(provider, 0.0) + float(charged)
    return Figures(
        counts=counts,
        batches=_by_state(session, BatchRow),
        items=_by_state(session, BatchItemRow),
        generations={(provider, state): count for provider, state, count, _ in by_provider},
        spent=spent,
        steps=_steps(session),
        found_again=dict(session.execute(select(StepHitRow.step, StepHitRow.hits)).tuples().all()),
    )


def _by_state(session: Session, table: type[BatchRow | BatchItemRow]) -> dict[str, int]:
    query = select(table.state, func.count()).group_by(table.state)
    return dict(session.execute(query).tuples().all())


def _steps(session: Session) -> dict[str, StepFigures]:
    row = StepCostRow
    sums = (func.sum(each) for each in (row.machine_seconds, row.media_seconds, row.bytes_in, row.bytes_out))
    found = session.execute(select(row.step, func.count(), *sums).group_by(row.step))
    return {
        step: StepFigures(
            count=count,
            machine_seconds=machine,
            media_seconds=media,
            bytes_in=int(bytes_in),
            bytes_out=int(bytes_out),
        )
        for step, count, machine, media, bytes_in, bytes_out in found
    }
