"""Which items go into which run: long ones alone, short ones together, and ever less together toward the end.

A run costs about a second of processor time whatever it does, so short items share one. But who packs the last items
into one run leaves the other slots idle: so a pack takes at most its share of what is left (guided self-scheduling).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from data.domain.batches import BatchItem, Priority, has_own_run, run_key

MOST_ITEMS = 200
"""Of one pack: so many are lost, and done again, at worst when a run dies."""
LEAST_PACK_SECONDS = 4.0
"""With less work in it a run costs too much of its work; only an even division among the slots makes a pack smaller."""
_RUN_SECONDS = 1.0
"""What a run costs whatever it does: no division pays that leaves less work than this in it."""
_LEAST_ITEM_SECONDS = 0.02
"""What an item costs though nothing is done for it."""
_SHARES_PER_SLOT = 2
"""Each slot gets its share of what is left in so many runs, so that unequal ones even out."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Items that one run is to be made for."""

    rows: tuple[int, ...]
    """In the order of feeding; the first one leads: its number is in the run's key."""
    run_key: str
    priority: Priority
    seconds: float
    """Estimated work."""


@dataclass(frozen=True, slots=True)
class PackingRules:
    """How items are divided into runs."""

    pack_seconds: float
    """An item of so much work gets a run of its own; a pack is filled up to this."""
    slots: int
    """How many runs of this batch can work at the same time."""
    rehearsals: frozenset[str] = frozenset()
    """Recipes that only rehearse: there is no run for a single one."""

    def has_own_run(self, item: BatchItem) -> bool:
        """Say whether an item gets a run of its own. It must say the same again after the feed has died."""
        return has_own_run(item, self.pack_seconds, self.rehearsals)

    def is_suspect(self, item: BatchItem) -> bool:
        """Say whether an item may have killed the run that worked on it; it shall not take others along again."""
        return item.attempt > 0 and item.started_at is not None and item.recipe not in self.rehearsals


def divide(
    items: Sequence[BatchItem], rules: PackingRules, *, most_runs: int, pending: int, busy_seconds: float = 0.0
) -> tuple[Parcel, ...]:
    """Return the next runs to make.

    Args:
        items: The next pending items, in the order of feeding.
        rules: How to divide.
        most_runs: Make at most so many.
        pending: How many items are pending altogether; those that are not given are taken to be like the last one.
        busy_seconds: Work that is in flight already.
    """
    left = sum(_seconds(item) for item in items)
    if items:
        left += max(0, pending - len(items)) * _seconds(items[-1])
    least = max(_RUN_SECONDS, min(LEAST_PACK_SECONDS, (left + busy_seconds) / max(1, rules.slots)))
    parcels: list[Parcel] = []
    rest = list(items)
    while rest and len(parcels) < most_runs:
        count = _count(rest, rules, left, least)
        taken, rest = rest[:count], rest[count:]
        parcel = _parcel(taken)
        left -= parcel.seconds
        parcels.append(parcel)
    return tuple(parcels)


def _count(items: Sequence[BatchItem], rules: PackingRules, left: float, least: float) -> int:
    """Return how many of the first items go into the next run."""
    first = items[0]
    if _is_alone(first, rules):
        return 1
    target, seconds, count = _target_seconds(rules, left, least), 0.0, 0
    for item in items[:MOST_ITEMS]:
        more = _seconds(item)
        # To the nearest item; what the options say is a limit, though.
        is_full = seconds + more / 2 > target or seconds + more > rules.pack_seconds
        if count and (is_full or item.priority != first.priority or _is_alone(item, rules)):
            break
        seconds += more
        count += 1
    return count


def _target_seconds(rules: PackingRules, left: float, least: float) -> float:
    share = left / (max(1, rules.slots) * _SHARES_PER_SLOT)
    return max(share, least) * (1 + 1e-9)


def _is_alone(item: BatchItem, rules: PackingRules) -> bool:
    return rules.has_own_run(item) or rules.is_suspect(item)


def _seconds(item: BatchItem) -> float:
    return max(item.estimated_seconds, _LEAST_ITEM_SECONDS)


def _parcel(items: Sequence[BatchItem]) -> Parcel:
    first = items[0]
    return Parcel(
        rows=tuple(item.row for item in items),
        run_key=run_key(first.batch_id, first.row, first.attempt + 1),
        priority=first.priority,
        seconds=sum(map(_seconds, items)),
    )
