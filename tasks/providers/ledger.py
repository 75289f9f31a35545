"""The ledger as the work on a generation writes it: each step on record, and committed, before what follows is done."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from data.database import Database
from data.domain.errors import BudgetSpentError, DailiesError
from data.domain.generations import GenerationRequest, GenerationState
from data.domain.ledger import IN_FLIGHT_STATES, PASSED_OVER, Generation, Subject
from data.repositories import BatchRepository, GenerationFilter, GenerationRepository
from data.storage import StoredObject
from tasks.providers.choice import Candidate

_TOLERANCE = 1e-9
"""Sums of prices are floats: a cap of 0.3 takes three times 0.1."""


def lock_name(request_digest: str) -> str:
    """Return the name of the lock that is held by whoever works on a request, by the request's digest."""
    return f"generation {request_digest}"


class Ledger:
    """Entries of one owner. Lives as long as the work on one generation; every method is one unit of work.

    Methods that change an entry raise GenerationInFlightError when another process has taken it over.

    Args:
        database: The catalogue.
        day_budget: Most that a day's paid generations may cost; ``None``: any amount.
    """

    def __init__(self, database: Database, day_budget: float | None = None) -> None:
        self._database = database
        self._day_budget = day_budget
        self._owner = uuid.uuid4().hex

    def find_stored(self, candidates: tuple[Candidate, ...]) -> Iterator[Generation]:
        """Return what was made before of the same request by one of the candidates, the first candidate's first."""
        rank = {each.key: place for place, each in enumerate(candidates)}
        with self._database.session() as session:
            found = GenerationRepository(session).stored(rank)
        return iter(sorted(found, key=lambda entry: rank[entry.key]))

    def take_unfinished(self, request: GenerationRequest, subject: Subject) -> Generation | None:
        """Take over what another process left in flight, for a subject; what is held is only looked at."""
        with self._database.session() as session:
            ledger = GenerationRepository(session)
            entry = ledger.unfinished(request.digest())
            if entry is not None and entry.state is not GenerationState.HELD:
                ledger.take(entry.id, self._owner, subject)
            return entry

    def take(self, generation_id: str) -> Generation | None:
        """Take over an entry; ``None``: it is not in flight any more."""
        with self._database.session() as session:
            ledger = GenerationRepository(session)
            entry = ledger.get(generation_id)
            if entry.state not in IN_FLIGHT_STATES:
                return None
            ledger.take(entry.id, self._owner)
            return entry

    def prepare(self, candidate: Candidate, subject: Subject) -> Generation:
        """Write down a new generation, if the caps allow its price.

        Raises:
            BudgetSpentError: A cap would be passed; nothing was written.
        """
        config, request = candidate.config, candidate.request
        entry = Generation(
            id=str(uuid.uuid4()),
            key=candidate.key,
            request_digest=candidate.request_digest,
            idempotency_key=uuid.uuid4().hex,
            subject=subject,
            provider=config.name,
            engine=config.engine,
            model=config.model,
            capability=request.capability,
            state=GenerationState.PREPARED,
            price=candidate.price,
            request=request,
            details=_details(candidate),
            created_at=datetime.now(UTC),
        )
        with self._database.session() as session:
            if entry.price > 0:
                self._check_caps(session, entry)
            GenerationRepository(session).add(entry, self._owner)
        return entry

    def begin_sending(self, entry: Generation) -> Generation:
        """Write down that the request is about to be sent, or sent again."""
        return self._change(
            entry,
            GenerationState.SENDING,
            (GenerationState.PREPARED, GenerationState.SENDING),
            sent_at=entry.sent_at or datetime.now(UTC),
            attempts=entry.attempts + 1,
        )

    def accept(self, entry: Generation, provider_id: str) -> Generation:
        """Write down the provider's id: from here on it is paid for."""

        def pay(session: Session) -> None:
            if entry.subject.batch_id and entry.price:
                BatchRepository(session).spend(entry.subject.batch_id, entry.price)

        return self._change(
            entry,
            GenerationState.ACCEPTED,
            (GenerationState.SENDING,),
            also=pay,
            provider_id=provider_id,
            charged=entry.price,
            accepted_at=datetime.now(UTC),
        )

    def begin_making(self, entry: Generation) -> Generation:
        """Write down that it is made on this machine, from the beginning."""
        now = datetime.now(UTC)
        return self._change(
            entry,
            GenerationState.ACCEPTED,
            (GenerationState.PREPARED, GenerationState.ACCEPTED),
            charged=entry.price,
            attempts=entry.attempts + 1,
            sent_at=now,
            accepted_at=now,
        )

    def note_made(self, entry: Generation) -> Generation:
        """Write down that the provider has finished it."""
        return self._change(
            entry, GenerationState.MADE, (GenerationState.ACCEPTED,), made_at=entry.made_at or datetime.now(UTC)
        )

    def store(self, entry: Generation, stored: StoredObject, sha256: str, details: dict[str, Any]) -> Generation:
        """Write down where the result lies."""
        now = datetime.now(UTC)
        return self._change(
            entry,
            GenerationState.STORED,
            (GenerationState.ACCEPTED, GenerationState.MADE),
            result_key=stored.key,
            result_sha256=sha256,
            result_bytes=stored.size_bytes,
            details={**entry.details, **details},
            made_at=entry.made_at or now,
            ended_at=now,
        )

    def fail(self, entry: Generation, error: DailiesError, *, is_charged: bool = True) -> Generation:
        """Write down that nothing will come of it, and why.

        Args:
            entry: It.
            error: Why.
            is_charged: Whether the provider takes money for it, if it had accepted it.
        """
        gives_back = entry.charged is not None and not is_charged

        def pay_back(session: Session) -> None:
            if entry.subject.batch_id and entry.charged and gives_back:
                BatchRepository(session).spend(entry.subject.batch_id, -entry.charged)

        return self._end(entry, GenerationState.FAILED, error, pay_back, **({"charged": 0.0} if gives_back else {}))

    def hold(self, entry: Generation, error: DailiesError) -> Generation:
        """Write down that a person has to decide."""
        return self._end(entry, GenerationState.HELD, error)

    def cancel(self, entry: Generation, error: DailiesError) -> Generation:
        """Write down that it was stopped by request; what was accepted stays paid."""
        return self._end(entry, GenerationState.CANCELLED, error)

    def read(self, entry: Generation) -> Generation:
        """Return the entry as it is now."""
        with self._database.session() as session:
            return GenerationRepository(session).get(entry.id)

    def _end(
        self,
        entry: Generation,
        state: GenerationState,
        error: DailiesError,
        also: Callable[[Session], None] | None = None,
        **values: Any,
    ) -> Generation:
        why = {"failure_class": error.failure_class.value, "code": error.code, "message": error.message[:2000]}
        in_flight = [each for each in GenerationState if not each.is_final]
        return self._change(entry, state, in_flight, also=also, ended_at=datetime.now(UTC), **why, **values)

    def _change(
        self,
        entry: Generation,
        to: GenerationState,
        allowed_from: list[GenerationState] | tuple[GenerationState, ...],
        *,
        also: Callable[[Session], None] | None = None,
        **values: Any,
    ) -> Generation:
        with self._database.session() as session:
            changed = GenerationRepository(session).change(
                entry.id, self._owner, to, allowed_from=allowed_from, **values
            )
            if also is not None:
                also(session)
            return changed

    def _check_caps(self, session: Session, entry: Generation) -> None:
        """Reckon with everything that is charged or reserved; nobody else does until the entry is written."""
        ledger, subject = GenerationRepository(session), entry.subject
        ledger.lock_budget()
        job_cap = entry.request.options.max_cost
        if job_cap is not None:
            _check_cap("job", job_cap, ledger.spent(GenerationFilter(job_id=subject.job_id)), entry)
        batch = BatchRepository(session).find(subject.batch_id) if subject.batch_id else None
        if batch is not None and batch.options.max_cost is not None:
            # What is charged is in the batch's sum already, beside what its machines cost.
            reserved = ledger.spent(GenerationFilter(batch_id=batch.id), uncharged_only=True)
            _check_cap("batch", batch.options.max_cost, batch.spent + reserved, entry)
        if self._day_budget is not None:
            midnight = entry.created_at.replace(hour=0, minute=0, second=0, microsecond=0)
            _check_cap("day", self._day_budget, ledger.spent(GenerationFilter(since=midnight)), entry)


def _check_cap(name: str, cap: float, spent: float, entry: Generation) -> None:
    if spent + entry.price > cap + _TOLERANCE:
        raise BudgetSpentError(
            f"A generation by {entry.provider} for {entry.price:g} would pass the cap of the {name}: {spent:g} of "
            f"{cap:g} are spent or reserved.",
            {"cap": name, "limit": cap, "spent": spent, "price": entry.price, "provider": entry.provider},
        )


def _details(candidate: Candidate) -> dict[str, Any]:
    """Return what an entry says before anything is made: who was passed over, if anybody was."""
    passed_over = [each.model_dump() for each in candidate.passed_over]
    return {PASSED_OVER: passed_over} if passed_over else {}
