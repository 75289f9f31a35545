"""The ledger within one unit of work: every generation, how far it has come, and what it costs."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, case, cast, func, select, text, tuple_, update
from sqlalchemy.orm import Session

from data.domain.errors import GenerationInFlightError, IllegalMoveError, NotFoundError
from data.domain.generations import GenerationState
from data.domain.ledger import IN_FLIGHT_STATES, Generation, GenerationTotals, HeldMove, Subject
from data.repositories.batches import BatchRepository
from data.repositories.statements import storable
from data.tables import GenerationRow, utc_now

_BUDGET_LOCK = 0x4C454447  # "LEDG": our second number among the advisory locks of a Postgres database
_OPEN = (GenerationState.PREPARED, GenerationState.SENDING, GenerationState.HELD)
_TIMES = ("created_at", "sent_at", "accepted_at", "made_at", "ended_at")
_UNTOLD: dict[str, Any] = {"failure_class": None, "code": None, "message": ""}


@dataclass(frozen=True, kw_only=True)
class GenerationFilter:
    """Which entries are meant; every part that is given has to hold."""

    states: Collection[GenerationState] = ()
    provider: str | None = None
    job_id: str | None = None
    batch_id: str | None = None
    since: datetime | None = None
    """Made at that time or later."""

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return them as SQL."""
        row = GenerationRow
        given = {row.provider: self.provider, row.job_id: self.job_id, row.batch_id: self.batch_id}
        found = [column == storable(value) for column, value in given.items() if value is not None]
        if self.states:
            found.append(row.state.in_([state.value for state in self.states]))
        if self.since is not None:
            found.append(row.created_at >= self.since)
        return found


class GenerationRepository:
    """The ledger within one unit of work.

    Entries are changed by who took them (:meth:`take`), and only from the states that the change names: a process that
    has lost its entry to another one is told so by its next change.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, entry: Generation, owner: str) -> None:
        """Write down a new entry, taken by an owner."""
        subject = entry.subject
        values = entry.model_dump(mode="json", exclude={"subject", "also_wanted_by", *_TIMES})
        self._session.add(
            GenerationRow(
                **values,
                **{name: getattr(entry, name) for name in _TIMES},
                owner=owner,
                also_wanted_by=_also_wanted_by(entry.also_wanted_by) if entry.also_wanted_by else None,
                job_id=subject.job_id,
                batch_id=subject.batch_id,
                batch_row=subject.batch_row,
            )
        )
        self._session.flush()

    def get(self, generation_id: str) -> Generation:
        """Return an entry.

        Raises:
            NotFoundError: There is none with that id.
        """
        row = self._session.get(GenerationRow, storable(generation_id), populate_existing=True)
        if row is None:
            raise NotFoundError(f"There is no generation {generation_id!r}.", {"generation_id": generation_id})
        return _generation(row)

    def stored(self, keys: Iterable[str]) -> tuple[Generation, ...]:
        """Return the entries of the given keys whose result was stored, newest first."""
        row = GenerationRow
        query = select(row).where(row.key.in_(list(keys)), row.state == GenerationState.STORED.value)
        return tuple(map(_generation, self._session.scalars(query.order_by(row.created_at.desc(), row.id))))

    def of_result(self, sha256: str) -> Generation | None:
        """Return the entry that some content is the result of, the oldest where there are several."""
        row = GenerationRow
        query = select(row).where(row.result_sha256 == sha256, row.state == GenerationState.STORED.value)
        found = self._session.scalar(query.order_by(row.created_at, row.id).limit(1))
        return None if found is None else _generation(found)

    def unfinished(self, request_digest: str) -> Generation | None:
        """Return the entry of a request that is in flight, or held; there is one at most."""
        row, states = GenerationRow, [*IN_FLIGHT_STATES, GenerationState.HELD]
        query = select(row).where(row.request_digest == request_digest, row.state.in_([each.value for each in states]))
        found = self._session.scalar(query.order_by(row.created_at.desc(), row.id).limit(1))
        return None if found is None else _generation(found)

    def in_flight(self, limit: int) -> tuple[Generation, ...]:
        """Return entries with which something may still happen by itself, the oldest first."""
        row = GenerationRow
        query = select(row).where(row.state.in_([each.value for each in IN_FLIGHT_STATES]))
        return tuple(map(_generation, self._session.scalars(query.order_by(row.created_at, row.id).limit(limit))))

    def of_ids(self, generation_ids: Iterable[str]) -> Mapping[str, Generation]:
        """Return the entries of the given ids, by id; without those that there are not."""
        query = select(GenerationRow).where(GenerationRow.id.in_(list(generation_ids)))
        return {row.id: _generation(row) for row in self._session.scalars(query)}

    def asked_for_batch(self, batch_id: str) -> Mapping[str, frozenset[str]]:
        """Return which providers were asked for the jobs of a batch, by job: for it alone, or for others at first."""
        row = GenerationRow
        # The batch's id is looked for in the text of who took an entry up: an index is not worth it for that.
        taken_up = row.also_wanted_by.is_not(None) & cast(row.also_wanted_by, String).contains(
            storable(batch_id), autoescape=True
        )
        asked: dict[str, frozenset[str]] = {}
        for found in self._session.scalars(select(row).where((row.batch_id == storable(batch_id)) | taken_up)):
            entry = _generation(found)
            for subject in entry.subjects:
                if subject.batch_id == batch_id:
                    asked[subject.job_id] = asked.get(subject.job_id, frozenset()) | {entry.provider}
        return asked

    def needed_references(self) -> frozenset[str]:
        """Return the keys of the files of the user's that an entry in flight, or held, still has to be sent."""
        row, states = GenerationRow, [*IN_FLIGHT_STATES, GenerationState.HELD]
        requests = self._session.scalars(select(row.request).where(row.state.in_([each.value for each in states])))
        return frozenset(each["key"] for request in requests for each in request["references"])

    def take(self, generation_id: str, owner: str, subject: Subject | None = None) -> None:
        """Make an entry an owner's: nobody else's changes count from now on.

        Args:
            generation_id: It.
            owner: Who works on it from now on.
            subject: Who wants it now, too; ``None``: nobody but those who wanted it before.
        """
        values: dict[str, Any] = {"owner": owner}
        entry = self.get(generation_id)
        if subject is not None and subject not in entry.subjects:
            values["also_wanted_by"] = _also_wanted_by((*entry.also_wanted_by, subject))
        self._session.execute(update(GenerationRow).where(GenerationRow.id == generation_id).values(**values))

    def change(
        self,
        generation_id: str,
        owner: str,
        to: GenerationState,
        *,
        allowed_from: Collection[GenerationState],
        **values: Any,
    ) -> Generation:
        """Bring an owner's entry into a state, with what belongs to it.

        Raises:
            GenerationInFlightError: Somebody else has taken it over, or decided about it.
        """
        row = GenerationRow
        mine = (row.id == generation_id, row.owner == owner, row.state.in_([each.value for each in allowed_from]))
        statement = update(row).where(*mine).values(state=to.value, **values).returning(row.id)
        if self._session.scalars(statement, execution_options={"synchronize_session": False}).first() is None:
            raise GenerationInFlightError(
                f"Another process has taken over the generation {generation_id}.", {"generation_id": generation_id}
            )
        return self.get(generation_id)

    def release(self, generation_id: str) -> Generation:
        """Let a held entry be sent again: a person has seen that the provider has not taken it.

        Raises:
            NotFoundError: There is none with that id.
            IllegalMoveError: It is not held.
        """
        return self._resolve(generation_id, "release", GenerationState.PREPARED, ended_at=None, sent_at=None, **_UNTOLD)

    def adopt(self, generation_id: str, provider_id: str) -> Generation:
        """Give a held entry the id that a person has found at the provider: it has taken it, and is paid for it.

        Raises:
            NotFoundError: There is none with that id.
            IllegalMoveError: It is not held.
        """
        values = {"provider_id": storable(provider_id), "accepted_at": utc_now(), "ended_at": None, **_UNTOLD}
        return self._pay(self._resolve(generation_id, "adopt", GenerationState.ACCEPTED, **values))

    def drop(self, generation_id: str) -> Generation:
        """End a held entry that nobody wants any more; since it may have been taken, it counts as paid.

        Raises:
            NotFoundError: There is none with that id.
            IllegalMoveError: It is not held.
        """
        return self._pay(self._resolve(generation_id, "drop", GenerationState.CANCELLED, ended_at=utc_now()))

    def _resolve(self, generation_id: str, move: HeldMove, to: GenerationState, **values: Any) -> Generation:
        row = GenerationRow
        held = (row.id == storable(generation_id), row.state == GenerationState.HELD.value)
        statement = update(row).where(*held).values(state=to.value, **values).returning(row.id)
        changed = self._session.scalars(statement, execution_options={"synchronize_session": False}).first()
        entry = self.get(generation_id)
        if changed is None:
            raise IllegalMoveError(
                f"A generation that is {entry.state.value} cannot be asked to {move}.",
                {"state": entry.state.value, "allowed": list(entry.moves)},
            )
        return entry

    def _pay(self, entry: Generation) -> Generation:
        statement = update(GenerationRow).where(GenerationRow.id == entry.id).values(charged=entry.price)
        self._session.execute(statement, execution_options={"synchronize_session": False})
        if entry.subject.batch_id and entry.price:
            BatchRepository(self._session).spend(entry.subject.batch_id, entry.price)
        return self.get(entry.id)

    def lock_budget(self) -> None:
        """Let nobody else reckon with caps until this unit of work is over."""
        if self._session.get_bind().dialect.name == "postgresql":
            self._session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _BUDGET_LOCK})

    def spent(self, chosen: GenerationFilter, *, uncharged_only: bool = False) -> float:
        """Return what entries cost: as charged, else as reserved while they may still be accepted."""
        amount = _reserved() if uncharged_only else _charged() + _reserved()
        return self._session.scalar(select(func.coalesce(func.sum(amount), 0.0)).where(*chosen.conditions())) or 0.0

    def page(
        self, chosen: GenerationFilter, *, before: tuple[datetime, str] | None = None, limit: int = 50
    ) -> tuple[Generation, ...]:
        """Return entries, the latest first; ``before`` is (created_at, id) of the last one of the page before."""
        row = GenerationRow
        query = select(row).where(*chosen.conditions()).order_by(row.created_at.desc(), row.id.desc()).limit(limit)
        if before is not None:
            query = query.where(tuple_(row.created_at, row.id) < before)
        return tuple(map(_generation, self._session.scalars(query)))

    def totals(self, chosen: GenerationFilter) -> GenerationTotals:
        """Return sums over entries."""
        sums = (func.count(), func.sum(_charged()), func.sum(_reserved()))
        query = select(GenerationRow.state, *sums).where(*chosen.conditions()).group_by(GenerationRow.state)
        found = self._session.execute(query).all()
        return GenerationTotals(
            count=sum(count for _, count, _, _ in found),
            by_state={state: count for state, count, _, _ in found},
            charged=sum(charged for _, _, charged, _ in found),
            reserved=sum(reserved for _, _, _, reserved in found),
        )

    def by_provider(self) -> Mapping[str, tuple[int, float]]:
        """Return how many generations each provider has accepted, and what they cost together."""
        row = GenerationRow
        query = select(row.provider, func.count(row.charged), func.sum(_charged())).group_by(row.provider)
        return {name: (count, charged) for name, count, charged in self._session.execute(query)}


def _charged() -> ColumnElement[float]:
    return func.coalesce(GenerationRow.charged, 0.0)


def _reserved() -> ColumnElement[float]:
    row = GenerationRow
    is_open = row.charged.is_(None) & row.state.in_([state.value for state in _OPEN])
    return case((is_open, row.price), else_=0.0)


def _generation(row: GenerationRow) -> Generation:
    subject = Subject(job_id=row.job_id, batch_id=row.batch_id, batch_row=row.batch_row)
    names = Generation.model_fields.keys() - {"subject", "also_wanted_by"}
    others = (row.also_wanted_by or {}).get("subjects", ())
    values = {name: getattr(row, name) for name in names}
    return Generation.model_validate({**values, "subject": subject, "also_wanted_by": others})


def _also_wanted_by(subjects: Iterable[Subject]) -> dict[str, Any]:
    return {"subjects": [each.model_dump(mode="json") for each in subjects]}
