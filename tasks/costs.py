"""What a step took, noted down for later plans. Not noting it never fails the step."""

import logging
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

from data.database import open_database
from data.domain.assets import Asset
from data.domain.costs import CostStep
from data.domain.errors import CatalogueUnavailableError
from data.repositories import StepCost, StepCostRepository
from data.settings import get_settings

logger = logging.getLogger(__name__)


class Measurement:
    """A step that is being measured; lives as long as the step."""

    def __init__(self) -> None:
        self.asset: Asset | None = None
        self.bytes_out = 0
        self.media_seconds: float | None = None
        self.elsewhere_seconds = 0.0

    def done(
        self, asset: Asset, bytes_out: int = 0, media_seconds: float | None = None, elsewhere_seconds: float = 0.0
    ) -> None:
        """Say that work was done; what is found again from an earlier run tells nothing about what it takes.

        Args:
            asset: What it was done to.
            bytes_out: What came of it.
            media_seconds: Of the edited video, where it was that which was worked on.
            elsewhere_seconds: Processor time that other processes, or earlier attempts, took for a part of it.
        """
        self.asset, self.bytes_out, self.media_seconds = asset, bytes_out, media_seconds
        self.elsewhere_seconds = elsewhere_seconds


@contextmanager
def measured(step: CostStep, variant: str = "") -> Iterator[Measurement]:
    """Measure what the block takes, and note it when the block leaves in peace and says that work was done.

    Counted is the processor time of this process and of the tools that it ran: neither waiting for a slot nor what
    else the machine does is a step's own. An AI step has its GPU to itself: what counts is how long it keeps it.

    Args:
        step: Which one it is.
        variant: Digest of what decides how much it costs (:func:`data.domain.costs.cost_variants`).
    """
    clock = time.monotonic if step.on_gpu_pool else processor_seconds
    measurement, began = Measurement(), clock()
    yield measurement
    if measurement.asset is None:
        _note_hit(step)
    else:
        _record(_cost(step, variant, measurement.asset, measurement, clock() - began + measurement.elsewhere_seconds))


def processor_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _cost(step: CostStep, variant: str, asset: Asset, measurement: Measurement, machine_seconds: float) -> StepCost:
    facts, edited = asset.facts, measurement.media_seconds
    return StepCost(
        step=step,
        variant=variant,
        media_seconds=facts.duration_seconds if edited is None else edited,
        megapixels=facts.video.megapixels,
        machine_seconds=machine_seconds,
        bytes_in=facts.size_bytes,
        bytes_out=measurement.bytes_out,
        asset_id=asset.id,
    )


def _record(cost: StepCost) -> None:
    try:
        with open_database(get_settings().catalogue_url).session() as session:
            StepCostRepository(session).record(cost)
    except CatalogueUnavailableError as error:
        logger.warning("What %s took was not noted: %s", cost.step, error)


def _note_hit(step: CostStep) -> None:
    try:
        with open_database(get_settings().catalogue_url).session() as session:
            StepCostRepository(session).note_hit(step)
    except CatalogueUnavailableError as error:
        logger.warning("That nothing had to be done for %s was not noted: %s", step, error)
