"""Which rows of an ended batch are tried again."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Literal, Self

from pydantic import AwareDatetime, model_validator

from data.domain.errors import FailureClass
from data.domain.model import DomainModel

if TYPE_CHECKING:  # a batch knows the filter that it was made with
    from data.domain.batches import BatchItem

RetriedState = Literal["failed", "cancelled"]


class RetryFilter(DomainModel):
    """Chooses among the rows that failed, and those that were cancelled before they could succeed.

    Every part that is given has to hold; a part that is empty asks nothing. Without any part all of them are chosen.
    """

    states: tuple[RetriedState, ...] = ("failed", "cancelled")
    classes: tuple[FailureClass, ...] = ()
    """A cancelled item is of class CANCELLED."""
    codes: tuple[str, ...] = ()
    """Dotted codes, whole or their beginning: ``DATA.INPUT`` chooses ``DATA.INPUT.CORRUPT`` too."""
    steps: tuple[str, ...] = ()
    """The step that it failed in."""
    providers: tuple[str, ...] = ()
    """Providers of generations: chooses rows for which one of them was asked, whatever came of it."""
    ended_after: AwareDatetime | None = None
    """Chooses what ended at this moment or later."""
    ended_before: AwareDatetime | None = None
    """Chooses what ended before this moment."""

    @model_validator(mode="after")
    def _span_is_a_span(self) -> Self:
        if self.ended_after and self.ended_before and self.ended_after >= self.ended_before:
            raise ValueError("ended_after must be earlier than ended_before")
        return self

    def chooses(self, item: "BatchItem", asked: Collection[str] = ()) -> bool:
        """Say whether the item is tried again.

        Args:
            item: The item.
            asked: The providers that were asked for it, as the ledger has them; needed where providers are given.
        """
        return (
            item.state in self.states
            and (not self.classes or _class_of(item) in self.classes)
            and (not self.codes or any(_is_within(item.code or "", code) for code in self.codes))
            and (not self.steps or item.step in self.steps)
            and (not self.providers or not frozenset(self.providers).isdisjoint(asked))
            and (self.ended_after is None or (item.ended_at is not None and item.ended_at >= self.ended_after))
            and (self.ended_before is None or (item.ended_at is not None and item.ended_at < self.ended_before))
        )


def _class_of(item: "BatchItem") -> str | None:
    return item.failure_class or (FailureClass.CANCELLED if item.state == "cancelled" else None)


def _is_within(code: str, beginning: str) -> bool:
    return f"{code}.".startswith(f"{beginning.removesuffix('.')}.")
