"""How batches share the machines: equally, but for deadlines. Each feed reckons this by itself, from the same facts."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

LEAST_WEIGHT, MOST_WEIGHT = 0.5, 4.0
"""A batch without a deadline weighs 1. Whatever others promised by when, it keeps a share, and so do they."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a batch that runs still asks of the machines."""

    batch_id: str
    finish_by: datetime | None = None
    seconds: float = 0.0
    """Estimated work that is left, of one slot; told where there is a deadline."""


def share_of(batch_id: str, demands: Collection[Demand], slots: int, now: datetime) -> float:
    """Return a batch's share of the slots, above 0, up to 1.

    A batch with a deadline weighs as many times its equal share as it needs to be in time: more than others when it is
    short of time, less when it has plenty.

    Args:
        batch_id: The batch.
        demands: Of all batches that run, this one included.
        slots: How many runs can work at once for all of them together.
        now: The time.
    """
    weights = {each.batch_id: _weight(each, slots / len(demands), now) for each in demands}
    return weights[batch_id] / sum(weights.values())


def _weight(demand: Demand, equal_slots: float, now: datetime) -> float:
    if demand.finish_by is None or demand.seconds <= 0:  # nothing left to weigh, or nothing known
        return 1.0
    left_seconds = (demand.finish_by - now).total_seconds()
    if left_seconds <= 0:
        return MOST_WEIGHT
    needed_slots = demand.seconds / left_seconds
    return min(MOST_WEIGHT, max(LEAST_WEIGHT, needed_slots / equal_slots))
