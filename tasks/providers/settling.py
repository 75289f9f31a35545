"""Entries of the ledger that nobody will take up again, since their job is over: how each comes to an end.

========  ===========================================================================================
state     what becomes of it
========  ===========================================================================================
prepared  cancelled: nothing was sent, and nothing stays reserved
sending   looked up where the provider can; not there: cancelled; cannot: held, for a person to decide
accepted  on this machine: cancelled; elsewhere: stopped if nobody wants it, and fetched once it is made
made      fetched: it is paid for, and whoever asks for the same gets it
========  ===========================================================================================

Whoever works on an entry holds the lock of its request, so nothing is taken from under anybody's hands.
"""

import logging
from datetime import UTC, datetime, timedelta

from data.database import Database
from data.domain.errors import (
    CancelledByRequestError,
    DailiesError,
    DownloadFailedError,
    EngineMissingError,
    GenerationFailedError,
    GenerationRefusedError,
    GenerationRejectedError,
    ProviderMisconfiguredError,
)
from data.domain.generations import GenerationState
from data.domain.ledger import Generation
from data.named_locks import named_lock
from tasks.providers.base import RemoteProvider, RemoteState
from tasks.providers.generation import Rules
from tasks.providers.guard import ProviderGuard
from tasks.providers.ledger import Ledger, lock_name
from tasks.providers.registry import Registry
from tasks.providers.work import RemoteWork, Surroundings, outcome_unknown

logger = logging.getLogger(__name__)

RELEASED_FOR = timedelta(days=1)
"""How long an entry that a person has released waits for its job to be tried again."""
FETCHED_WITHIN = timedelta(days=3)
"""Providers keep results for hours or days; one that could not be fetched for so long is lost."""


def needs_provider(entry: Generation) -> bool:
    """Say whether an entry can only be settled by asking its provider."""
    is_elsewhere = entry.state is GenerationState.ACCEPTED and entry.provider_id is not None
    return is_elsewhere or entry.state in (GenerationState.SENDING, GenerationState.MADE)


def is_released(entry: Generation, now: datetime) -> bool:
    """Say whether a person has released an entry lately: then its job is about to be tried again."""
    return entry.state is GenerationState.PREPARED and entry.attempts > 0 and now - entry.created_at < RELEASED_FOR


def settle_here(database: Database, entry: Generation) -> bool:
    """Cancel an entry whose job is over and that needs no provider; say whether that was done."""
    ledger = Ledger(database)
    try:
        with named_lock(database, lock_name(entry.request_digest), 0.0):
            taken = ledger.take(entry.id)
            if taken is None or needs_provider(taken):
                return False
            ledger.cancel(taken, _over())
            return True
    except TimeoutError:
        return False


class SettlingWork(RemoteWork):
    """What is left to do at a provider for an entry that nobody waits for: nothing is sent for it any more."""

    def settle(self, entry: Generation, *, is_unwanted: bool) -> Generation:
        """Bring an entry in flight as far as it comes now.

        What the provider has finished is fetched, since it is paid for. What it still works on is stopped if nobody
        wants it, and given up when it has taken too long; otherwise it is looked at again another time.

        Args:
            entry: An entry in flight.
            is_unwanted: Its job was cancelled.

        Raises:
            DailiesError: The provider does not say, or the ledger says ``failed`` or ``held`` now.
        """
        if entry.state is GenerationState.SENDING:
            entry = self._found_or_ended(entry)
        if entry.state is GenerationState.ACCEPTED:
            entry = self._looked_at(entry, is_unwanted=is_unwanted)
        return self._download_once(entry) if entry.state is GenerationState.MADE else entry

    def _found_or_ended(self, entry: Generation) -> Generation:
        """Find out, without sending anything, whether a request was accepted whose answer was lost."""
        if not self._provider.profile.can_look_up:
            error = outcome_unknown(entry)
            self._ledger.hold(entry, error)
            raise error
        found = self._guard.call(lambda: self._provider.look_up(entry.idempotency_key))
        if found is not None:
            return self._ledger.accept(entry, found)
        return self._ledger.cancel(entry, CancelledByRequestError("It never arrived, and its job is over."))

    def _looked_at(self, entry: Generation, *, is_unwanted: bool) -> Generation:
        provider_id, began = entry.provider_id, entry.accepted_at
        assert provider_id is not None
        assert began is not None
        try:
            status = self._guard.call(lambda: self._provider.poll(provider_id))
        except (GenerationFailedError, GenerationRejectedError, GenerationRefusedError) as error:
            self._ledger.fail(entry, error, is_charged=self._config.charges_failed)
            raise
        if status.state is RemoteState.FINISHED:
            return self._made(entry)
        if is_unwanted:
            self.cancel(entry)
            return self._ledger.read(entry)
        if (datetime.now(UTC) - began).total_seconds() > self._patience.timeout_seconds:
            self._give_up(entry, provider_id)
        return entry


class Settlement:
    """Settles entries at their providers. Lives as long as one round of it.

    Args:
        registry: The providers.
        database: The catalogue.
        around: What the work needs.
        rules: When a provider is left alone.
    """

    def __init__(self, registry: Registry, database: Database, around: Surroundings, rules: Rules) -> None:
        self._registry = registry
        self._database = database
        self._around = around
        self._ledger = around.ledger
        self._rules = rules

    def settle(self, entry: Generation, *, is_unwanted: bool) -> GenerationState | None:
        """Bring an entry as far as it comes now; return its new state, ``None`` if that is as it was.

        Args:
            entry: An entry whose job is over.
            is_unwanted: That job was cancelled.
        """
        try:
            with named_lock(self._database, lock_name(entry.request_digest), 0.0):
                taken = self._ledger.take(entry.id)
                if taken is None:
                    return None
                self._settle(taken, is_unwanted=is_unwanted)
                state = self._ledger.read(taken).state
                return None if state is taken.state else state
        except TimeoutError:
            return None

    def _settle(self, entry: Generation, *, is_unwanted: bool) -> None:
        if not needs_provider(entry):
            self._ledger.cancel(entry, _over())
            return
        work = self._work(entry)
        if work is None:
            return
        try:
            work.settle(entry, is_unwanted=is_unwanted)
        except DownloadFailedError as error:
            self._lose(entry, error)
        except DailiesError as error:  # what a provider does not say now, it may say another time
            logger.info("The generation %s: %s", entry.id, error.message)

    def _lose(self, entry: Generation, error: DailiesError) -> None:
        now = self._ledger.read(entry)
        if now.made_at is not None and datetime.now(UTC) - now.made_at > FETCHED_WITHIN:
            self._ledger.fail(now, error)

    def _work(self, entry: Generation) -> SettlingWork | None:
        """Return the work at an entry's provider; ``None`` where there is no such provider any more."""
        config = self._registry.configs.get(entry.provider)
        if config is None:
            logger.warning("The settings know no provider %s, which has the generation %s.", entry.provider, entry.id)
            return None
        try:
            provider = self._registry.provider(config.name)
        except (EngineMissingError, ProviderMisconfiguredError) as error:
            logger.warning("The generation %s cannot be settled: %s", entry.id, error.message)
            return None
        if not isinstance(provider, RemoteProvider):
            return None
        guard = ProviderGuard(
            config.name, self._database, failures=self._rules.breaker_failures, seconds=self._rules.breaker_seconds
        )
        return SettlingWork(provider, config, guard, self._around)


def _over() -> CancelledByRequestError:
    return CancelledByRequestError("Its job is over.")
