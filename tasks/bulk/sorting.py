"""The first half of a plan: tell the items that need work from those that do not, and keep of them what estimates need.

A few numbers an item, in arrays: a million items take some fifty megabytes.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf, nan

import numpy

from data.database import Database
from data.domain.batches import PRIORITIES, ItemState, SkipReason
from data.domain.publications import ToolVersions
from data.repositories import BatchItemRepository, ItemPlanRepository, ItemWish
from tasks.bulk.assumptions import Candidates
from tasks.bulk.changes import Effective, Known, Look, LookAt, Profile, Recipes, find_known
from tasks.bulk.estimates import Numbers, Work

_AT_ONCE = 2000
_SHOWN = 3


@dataclass
class Named:
    """How many items something is the matter with, and the first few of them."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.examples) < _SHOWN and example not in self.examples:
            self.examples.append(example)


class NewItems:
    """The items that need work, as columns."""

    def __init__(self) -> None:
        self.rows = array("q")
        self.priorities = array("b")
        self.profiles = array("i")
        """Index of the steps and options that decide what the item costs."""
        self.is_encoded = array("b")
        """The encode that is asked for was done before."""
        self.media_seconds = array("d")
        self.megapixels = array("d")
        self.size_bytes = array("d")
        self.trim_starts = array("d")
        """Seconds; columns like the others, since each row may have a trim of its own."""
        self.trim_ends = array("d")
        self.speeds = array("d")
        self.joined_seconds = array("d")
        """Of clips that are joined to the own part."""
        self.encoded_shares = array("d")
        """Of the work of an encode, what is left where pictures are copied."""
        self.target_counts = array("b")
        """How many targets get a copy."""
        self.known_profiles: list[Profile] = []
        self._profile_places: dict[Profile, int] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, wish: ItemWish, recipe: Effective, known: Known, look: Look) -> None:
        """Add an item."""
        measures = known.measures
        size = measures.size_bytes if measures else look.size_bytes
        self.rows.append(wish.row)
        self.priorities.append(PRIORITIES.index(wish.priority))
        self.profiles.append(self._place(recipe.steps(wish)))
        self.is_encoded.append(known.is_encoded)
        self.media_seconds.append(measures.media_seconds if measures else nan)
        self.megapixels.append(measures.megapixels if measures else nan)
        self.size_bytes.append(nan if size is None else size)
        trim = recipe.edit.trim
        self.trim_starts.append(trim.start_seconds)
        self.trim_ends.append(inf if trim.end_seconds is None else trim.end_seconds)
        self.speeds.append(recipe.edit.speed)
        self.joined_seconds.append(recipe.joined_seconds)
        self.encoded_shares.append(recipe.encoded_share)
        self.target_counts.append(recipe.target_count)

    def work(self) -> Work:
        """Return what is known of the items' sources; NaN where it is not."""
        columns = (self.media_seconds, self.megapixels, self.size_bytes)
        return Work(*(numpy.array(column, dtype=numpy.float64) for column in columns))

    def kept_seconds(self, seconds: Numbers) -> Numbers:
        """Return how much is kept of sources of such lengths."""
        starts, ends = (numpy.array(column, dtype=numpy.float64) for column in (self.trim_starts, self.trim_ends))
        kept: Numbers = numpy.maximum(numpy.minimum(seconds, ends) - starts, 0.0)
        return kept

    def edited_seconds(self, seconds: Numbers) -> Numbers:
        """Return how long sources of such lengths last after their edits, with what is joined to them."""
        speeds, joined = (numpy.array(column, dtype=numpy.float64) for column in (self.speeds, self.joined_seconds))
        lasting: Numbers = self.kept_seconds(seconds) / speeds + joined
        return lasting

    def _place(self, profile: Profile) -> int:
        place = self._profile_places.get(profile)
        if place is None:
            place = self._profile_places[profile] = len(self.known_profiles)
            self.known_profiles.append(profile)
        return place


@dataclass
class Sorted:
    """A batch's items, sorted."""

    new: NewItems
    candidates: Candidates
    """New items with local sources that are not known."""
    missing: Named = field(default_factory=Named)
    """Sources that are not there, or not any more."""
    unreadable_recipes: Named = field(default_factory=Named)


@dataclass(frozen=True, slots=True)
class _Doubtful:
    """An item whose wish was fulfilled by a version that is not the latest."""

    wish: ItemWish
    recipe: Effective
    known: Known
    look: Look


_NOTHING = Known()
_NO_LOOK = Look(None)


@dataclass(frozen=True)
class Sorter:
    """Sorts the pending items of batches."""

    database: Database
    look_at: LookAt
    recipes: Recipes
    tools: ToolVersions
    """What an encode would be made with now."""

    def sort(self, batch_id: str) -> Sorted:
        """Skip the items that are unchanged, and return the others.

        An item whose wish was fulfilled by a version that is not the latest is unchanged only if another item of the
        batch asks for that one: going back to an earlier recipe is work.
        """
        found = Sorted(NewItems(), Candidates(batch_id))
        doubtful: list[_Doubtful] = []
        for wishes in self._chunks(batch_id):
            self._sort(batch_id, wishes, found, doubtful)
        unchanged = self._settled(batch_id, doubtful)
        self._skip(batch_id, [(each.wish, each.known) for each in unchanged])
        settled = {each.wish.row for each in unchanged}
        for each in doubtful:
            if each.wish.row not in settled:
                found.new.add(each.wish, each.recipe, each.known, each.look)
        with self.database.session() as session:
            ItemPlanRepository(session, batch_id).own_assets()
        return found

    def _chunks(self, batch_id: str) -> Iterator[Sequence[ItemWish]]:
        after = 0
        while True:
            with self.database.session() as session:
                wishes = ItemPlanRepository(session, batch_id).wishes(after, _AT_ONCE)
            if not wishes:
                return
            yield wishes
            after = wishes[-1].row

    def _sort(
        self,
        batch_id: str,
        wishes: Sequence[ItemWish],
        found: Sorted,
        doubtful: list[_Doubtful],
    ) -> None:
        planned = [(wish, recipe) for wish in wishes if (recipe := self._recipe(wish, found)) is not None]
        looked = [(wish, recipe) for wish, recipe in planned if not recipe.is_rehearsal]
        looks = self._looks(looked)
        with self.database.session() as session:
            known = find_known(session, [w for w, _ in looked], looks, [r for _, r in looked], self.tools)
        about = {wish.row: each for (wish, _), each in zip(looked, zip(known, looks, strict=True), strict=True)}
        unchanged = []
        for wish, recipe in planned:
            its, look = about.get(wish.row, (_NOTHING, _NO_LOOK))
            if its.fulfilment is not None and its.fulfilment.is_latest:
                unchanged.append((wish, its))
            elif its.fulfilment is not None:
                doubtful.append(_Doubtful(wish, recipe, its, look))
            else:
                self._add_new(wish, recipe, its, look, found)
        self._skip(batch_id, unchanged)

    def _looks(self, looked: Sequence[tuple[ItemWish, Effective]]) -> list[Look]:
        """Look at the sources; of words it is told how a video would be made of them."""
        told = iter(self.look_at([wish.source for wish, _ in looked if wish.source]))
        return [next(told) if wish.source else Look(recipe.generation) for wish, recipe in looked]

    def _recipe(self, wish: ItemWish, found: Sorted) -> Effective | None:
        recipe = self.recipes.of(wish)
        if recipe is None:  # it was there when the row was checked; the item will fail and say so
            found.unreadable_recipes.add(wish.recipe)
        return recipe

    def _add_new(self, wish: ItemWish, recipe: Effective, known: Known, look: Look, found: Sorted) -> None:
        if not recipe.is_rehearsal and known.measures is None:
            if look.is_missing:
                found.missing.add(wish.source)
            elif look.size_bytes is not None and wish.source.startswith("/"):
                found.candidates.offer(len(found.new), wish.source, look.size_bytes)
        found.new.add(wish, recipe, known, look)

    def _settled(self, batch_id: str, doubtful: Sequence[_Doubtful]) -> list[_Doubtful]:
        with self.database.session() as session:
            assets = {each.known.asset_id for each in doubtful if each.known.asset_id}
            settled = ItemPlanRepository(session, batch_id).unchanged_assets(assets)
        return [each for each in doubtful if each.known.asset_id in settled]

    def _skip(self, batch_id: str, unchanged: Sequence[tuple[ItemWish, Known]]) -> None:
        if unchanged:
            with self.database.session() as session:
                BatchItemRepository(session).revise(batch_id, [_skipped(wish, known) for wish, known in unchanged])


def _skipped(wish: ItemWish, known: Known) -> dict[str, object]:
    assert known.fulfilment is not None
    return {
        "row": wish.row,
        "priority": wish.priority,
        "estimated_seconds": 0.0,
        "state": ItemState.SKIPPED,
        "reason": SkipReason.UNCHANGED.value,
        "asset_id": known.asset_id,
        "version": known.fulfilment.version,
    }
