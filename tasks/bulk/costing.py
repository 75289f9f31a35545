"""The second half of a plan: what each item will take, step by step, and what that comes to."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy
from numpy.typing import NDArray

from data.database import Database
from data.domain.batches import StepEstimate
from data.domain.costs import CostStep
from data.repositories import StepCost, StepCostRepository
from tasks.bulk.assumptions import Assumptions, filled
from tasks.bulk.clock import Load
from tasks.bulk.estimates import DEFAULTS, CostModel, Numbers, Work, learn, learn_bytes_out
from tasks.bulk.packing import MOST_ITEMS
from tasks.bulk.sorting import NewItems

_BEFORE_EDITS = frozenset({CostStep.GENERATION, CostStep.INGEST, CostStep.REHEARSE})
"""Steps that have to do with all of the source."""


@dataclass(frozen=True, slots=True)
class Prices:
    """What machines cost."""

    cpu_hour: float = 0.0
    """Of one encode slot."""
    gpu_hour: float = 0.0
    currency: str = "USD"
    per_generation: float = 0.0
    """What the provider that is asked first takes for a video."""
    per_generated_second: float = 0.0
    """What it takes for each second of it."""

    def of(self, step: CostStep, total: "StepTotal") -> float:
        """Return what a step costs over a batch: the machines, and whoever makes videos of words."""
        paid = 0.0
        if step is CostStep.GENERATION:
            paid = total.items * self.per_generation + total.media_seconds * self.per_generated_second
        return paid + total.machine_seconds / 3600 * (self.gpu_hour if step.on_gpu_pool else self.cpu_hour)


@dataclass(frozen=True)
class Models:
    """What past runs teach. Reads the catalogue; lives as long as one plan."""

    database: Database
    _models: dict[tuple[CostStep, str], CostModel] = field(default_factory=dict)
    _bytes_out: dict[tuple[CostStep, str], float] = field(default_factory=dict)
    _done: set[tuple[CostStep, str]] = field(default_factory=set)

    def of(self, step: CostStep, variant: str) -> CostModel:
        """Return what a step takes with those options; with any options where those are new; else what ships."""
        key = (step, variant)
        if key not in self._models:
            self._models[key] = learn(DEFAULTS[step], self._past(step, variant))
        return self._models[key]

    def has_done(self, step: CostStep, variant: str) -> bool:
        """Say whether a step was done with those very options."""
        self.of(step, variant)
        return (step, variant) in self._done

    def bytes_out(self, variant: str, step: CostStep = CostStep.PUBLISH) -> float:
        """Return bytes that are published, or copied to targets, for each pixel of the source and second."""
        key = (step, variant)
        if key not in self._bytes_out:
            self._bytes_out[key] = learn_bytes_out(self._past(step, variant))
        return self._bytes_out[key]

    def _past(self, step: CostStep, variant: str) -> Sequence[StepCost]:
        with self.database.session() as session:
            costs = StepCostRepository(session)
            if own := costs.recent(step, variant):
                self._done.add((step, variant))
                return own
            return costs.recent_of_any(step)


@dataclass
class StepTotal:
    """What one step comes to over a batch."""

    items: int = 0
    machine_seconds: float = 0.0
    media_seconds: float = 0.0
    learnt_from: int = 0


@dataclass(frozen=True)
class Costing:
    """What a batch's new items come to."""

    item_seconds: Numbers
    """Machine seconds of each."""
    steps: dict[CostStep, StepTotal]
    media_seconds: float
    bytes_in: float
    bytes_out: float
    bytes_copied: float
    """Of copies at the recipes' targets."""
    urgent_share: float
    """Of the machine seconds, that of high priority (0–1)."""

    def estimates(self, prices: Prices) -> tuple[StepEstimate, ...]:
        """Return the steps in the order of the pipeline."""
        return tuple(
            StepEstimate(
                step=step.value,
                items=total.items,
                machine_seconds=total.machine_seconds,
                cost=prices.of(step, total),
                learnt_from=total.learnt_from,
            )
            for step in CostStep
            if (total := self.steps.get(step)) is not None
        )

    def load(self, pack_seconds: float) -> Load:
        """Return what there is to do, the short items being packed into runs of so many seconds."""
        gpu = sum(total.machine_seconds for step, total in self.steps.items() if step.on_gpu_pool)
        short = self.item_seconds[self.item_seconds < pack_seconds]
        packs = max(short.sum() / pack_seconds, len(short) / MOST_ITEMS) if pack_seconds else 0
        return Load(
            items=len(self.item_seconds),
            cpu_seconds=float(self.item_seconds.sum()) - gpu,
            gpu_seconds=gpu,
            runs=len(self.item_seconds) - len(short) + math.ceil(packs),
        )


def cost_items(items: NewItems, assumed: Assumptions, models: Models) -> Costing:
    """Return what items come to.

    Args:
        items: Those that need work.
        assumed: What sources are taken to be like that are not known.
        models: What steps take.
    """
    work = filled(items.work(), assumed)
    profiles = numpy.array(items.profiles, dtype=numpy.int64)
    encoded = numpy.array(items.is_encoded, dtype=bool)
    seconds, media = numpy.zeros(len(items)), numpy.zeros(len(items))
    bytes_in, bytes_out, bytes_copied = (numpy.zeros(len(items)) for _ in range(3))
    steps: dict[CostStep, StepTotal] = {}
    prepared_seconds = items.kept_seconds(work.media_seconds)
    edited_seconds = items.edited_seconds(work.media_seconds)
    encoded_shares = numpy.array(items.encoded_shares, dtype=numpy.float64)
    targets = numpy.array(items.target_counts, dtype=numpy.float64)
    for place, profile in enumerate(items.known_profiles):
        mine = numpy.flatnonzero(profiles == place)
        whole = Work(work.media_seconds[mine], work.megapixels[mine], work.size_bytes[mine])
        prepared = replace(whole, media_seconds=prepared_seconds[mine])
        edited = replace(whole, media_seconds=edited_seconds[mine])
        for step, variant in profile:
            own = whole if step in _BEFORE_EDITS else prepared if step is CostStep.PREPARE else edited
            taken = _taken(step, models.of(step, variant), own, encoded[mine])
            if step is CostStep.TRANSCODE and not models.has_done(step, variant):
                taken *= encoded_shares[mine]  # what others took was to encode everything
            seconds[mine] += taken
            total = steps.setdefault(step, StepTotal())
            total.items += int(numpy.count_nonzero(taken))
            total.machine_seconds += float(taken.sum())
            total.media_seconds += float(own.media_seconds.sum())
            total.learnt_from = max(total.learnt_from, models.of(step, variant).learnt_from)
            if step is CostStep.PUBLISH:
                media[mine], bytes_in[mine] = whole.media_seconds, own.size_bytes
                bytes_out[mine] = models.bytes_out(variant) * own.media_seconds * own.megapixels * 1e6
            elif step is CostStep.COPY and models.has_done(step, variant):
                bytes_copied[mine] = models.bytes_out(variant, step) * own.media_seconds * own.megapixels * 1e6
            elif step is CostStep.COPY:  # of which parts the copies are will be learnt; before that, whole ones
                bytes_copied[mine] = bytes_out[mine] * targets[mine]
    urgent = numpy.array(items.priorities, dtype=numpy.int64) == 0
    return Costing(
        item_seconds=seconds,
        steps=steps,
        media_seconds=float(media.sum()),
        bytes_in=float(bytes_in.sum()),
        bytes_out=float(bytes_out.sum()),
        bytes_copied=float(bytes_copied.sum()),
        urgent_share=float(seconds[urgent].sum() / max(seconds.sum(), 1e-9)),
    )


def _taken(step: CostStep, model: CostModel, work: Work, is_encoded: NDArray[numpy.bool_]) -> Numbers:
    """Return what a step takes of each item; an encode that was done before, and what led to it, is found again."""
    taken = model.machine_seconds(work)
    return numpy.where(is_encoded, 0.0, taken) if step in (CostStep.PREPARE, CostStep.TRANSCODE) else taken
