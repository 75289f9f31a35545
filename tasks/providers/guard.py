"""The circuit breaker between us and a provider: one for all processes, since its state lies in the catalogue.

The breaker is pybreaker's. What is added is the storage, and that only one call at a time tries whether a provider is
back: half-open, pybreaker lets through everybody who shares its storage. A failure is what a provider is to blame for
(:func:`is_failure`); a provider that asks for patience, refuses or does not like a request is one that works.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pybreaker import CircuitBreaker, CircuitBreakerError, CircuitBreakerListener, CircuitBreakerStorage

from data.database import Database
from data.domain.errors import (
    CatalogueUnavailableError,
    DailiesError,
    FailureClass,
    GenerationRejectedError,
    ProviderBusyError,
    ProviderUnavailableError,
)
from data.domain.ledger import BreakerState, ProviderHealth
from data.repositories import ProviderHealthRepository

logger = logging.getLogger(__name__)

T = TypeVar("T")


def is_failure(error: BaseException) -> bool:
    """Say whether an error speaks against the provider, rather than against what was asked of it."""
    return (
        isinstance(error, DailiesError)
        and error.failure_class is FailureClass.PROVIDER
        and not isinstance(error, ProviderBusyError | GenerationRejectedError)
    )


def left_alone(provider: str) -> ProviderUnavailableError:
    """Return the error of a call that is not made because the provider's breaker is open."""
    return ProviderUnavailableError(
        f"The provider {provider} failed too often and is left alone for a while.",
        {"provider": provider, "breaker": BreakerState.OPEN.value},
    )


class ProviderGuard:
    """Stands between us and one provider. Lives as long as one generation; others share what it learns.

    Args:
        provider: The provider's name.
        database: The catalogue.
        failures: After so many in a row it lets nothing through …
        seconds: … for so long.
    """

    def __init__(self, provider: str, database: Database, *, failures: int, seconds: float) -> None:
        self._provider = provider
        self._database = database
        self._patience = timedelta(seconds=seconds)
        storage = _CatalogueStorage(provider, database)
        self._breaker = CircuitBreaker(
            fail_max=failures,
            reset_timeout=seconds,
            exclude=[_excluded],
            listeners=[_OneProbe(storage, self._patience)],
            state_storage=storage,
            name=provider,
            throw_new_error_on_trip=False,
        )

    def health(self) -> ProviderHealth:
        """Return how the provider is."""
        with self._database.session() as session:
            return ProviderHealthRepository(session).get(self._provider)

    def is_shut(self) -> bool:
        """Say whether a call would not be let through now."""
        health = self.health()
        waits = health.opened_at is not None and datetime.now(UTC) < health.opened_at + self._patience
        return health.breaker is BreakerState.OPEN and waits

    def call(self, do: Callable[[], T]) -> T:
        """Call the provider and take note of how that went. What it answered is never lost to the taking note.

        Raises:
            ProviderUnavailableError: Nothing was called: the breaker is open.
        """
        answers: list[T] = []
        began = time.monotonic()
        try:
            self._breaker.call(lambda: answers.append(do()))
        except CircuitBreakerError as error:
            raise left_alone(self._provider) from error
        except CatalogueUnavailableError as error:
            if not answers:
                raise
            logger.warning("How %s answered was not noted: %s", self._provider, error)
        except DailiesError as error:
            self._note(time.monotonic() - began, error)
            raise
        self._note(time.monotonic() - began)
        return answers[0]

    def note_making(self, seconds: float) -> None:
        """Note how long a generation took, from its request to its finished result."""
        try:
            with self._database.session() as session:
                ProviderHealthRepository(session).note_making(self._provider, seconds)
        except CatalogueUnavailableError as error:
            logger.warning("How long %s took was not noted: %s", self._provider, error)

    def _note(self, seconds: float, error: DailiesError | None = None) -> None:
        failure = (error.code, error.message) if error is not None and is_failure(error) else None
        try:
            with self._database.session() as session:
                ProviderHealthRepository(session).note_call(self._provider, seconds, failure)
        except CatalogueUnavailableError as unavailable:
            logger.warning("How %s answered was not noted: %s", self._provider, unavailable)


def _excluded(error: BaseException) -> bool:
    """Tell pybreaker what is no failure, and keep from it what says nothing at all: our own trouble, a stop."""
    if not isinstance(error, DailiesError) or isinstance(error, CatalogueUnavailableError):
        raise error
    return not is_failure(error)


class _OneProbe(CircuitBreakerListener):
    """Lets one call at a time through a half-open breaker."""

    def __init__(self, storage: "_CatalogueStorage", patience: timedelta) -> None:
        self._storage = storage
        self._patience = patience

    def before_call(self, cb: CircuitBreaker, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        if self._storage.state == BreakerState.HALF_OPEN and not self._storage.claim_probe(self._patience):
            raise CircuitBreakerError("another call tries whether the provider is back")


class _CatalogueStorage(CircuitBreakerStorage):
    """Where pybreaker finds its state: the provider's record in the catalogue."""

    def __init__(self, provider: str, database: Database) -> None:
        super().__init__("catalogue")
        self._provider = provider
        self._database = database
        self._successes = 0
        """While half-open; the one who tries is alone, so it counts for itself."""

    @property
    def state(self) -> str:
        return self._read().breaker.value

    @state.setter
    def state(self, state: str) -> None:
        self._write(lambda health: health.set_breaker(self._provider, BreakerState(state)))

    @property
    def counter(self) -> int:
        return self._read().failures

    def increment_counter(self) -> None:
        self._write(lambda health: health.count_failure(self._provider))

    def reset_counter(self) -> None:
        self._write(lambda health: health.forget_failures(self._provider))

    @property
    def success_counter(self) -> int:
        return self._successes

    def increment_success_counter(self) -> None:
        self._successes += 1

    def reset_success_counter(self) -> None:
        self._successes = 0

    @property
    def opened_at(self) -> datetime | None:
        return self._read().opened_at

    @opened_at.setter
    def opened_at(self, at: datetime) -> None:
        self._write(lambda health: health.note_opening(self._provider, at))

    def claim_probe(self, patience: timedelta) -> bool:
        with self._database.session() as session:
            return ProviderHealthRepository(session).claim_probe(self._provider, patience)

    def _read(self) -> ProviderHealth:
        with self._database.session() as session:
            return ProviderHealthRepository(session).get(self._provider)

    def _write(self, change: Callable[[ProviderHealthRepository], None]) -> None:
        with self._database.session() as session:
            change(ProviderHealthRepository(session))
