"""Figures over the whole catalogue, for metrics, within one unit of work."""

from dataclasses import dataclass, field

from sqlalchemy import func, select, union_all
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
    StepTotalRow,
)


@dataclass(frozen=True, kw_only=True)
class StepFigures:
    """What one step came to, over all assets."""

    count: int = 0
    machine_seconds: float = 0.0
    media_seconds: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0


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
    cost, total = StepCostRow, StepTotalRow
    sums = (func.sum(each) for each in (cost.machine_seconds, cost.media_seconds, cost.bytes_in, cost.bytes_out))
    kept = select(cost.step, func.count(), *sums).group_by(cost.step)
    forgotten = select(
        total.step, total.count, total.machine_seconds, total.media_seconds, total.bytes_in, total.bytes_out
    )
    figures: dict[str, StepFigures] = {}
    for step, count, machine, media, bytes_in, bytes_out in session.execute(union_all(kept, forgotten)):
        before = figures.get(step, StepFigures())
        figures[step] = StepFigures(
            count=before.count + count,
            machine_seconds=before.machine_seconds + machine,
            media_seconds=before.media_seconds + media,
            bytes_in=before.bytes_in + int(bytes_in),
            bytes_out=before.bytes_out + int(bytes_out),
        )
    return figures
