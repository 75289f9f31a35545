"""A generation, whole: found again where it was made before, else made by the first provider that can, and paid once.

Processes that want the same take turns, by a lock that ends with its holder. Whatever state a process left the ledger
in, the next one goes on from there. Another provider is only asked once the ledger says that the one before will
certainly make nothing; a refusal by policy, a spent budget and an unknown outcome end the search.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from data.database import Database
from data.domain.errors import (
    DailiesError,
    GenerationHeldError,
    GenerationInFlightError,
    GenerationRefusedError,
    GenerationTimeoutError,
    NoProviderError,
    ProviderBusyError,
)
from data.domain.generations import GenerationRequest, GenerationState
from data.domain.keys import source_key
from data.domain.ledger import Generation, StoredGeneration, Subject
from data.named_locks import named_lock
from data.repositories import ProviderHealthRepository
from tasks.providers.base import LocalProvider, ProviderConfig, RemoteProvider
from tasks.providers.choice import Candidate, Policy, candidates
from tasks.providers.guard import ProviderGuard, left_alone
from tasks.providers.ledger import lock_name
from tasks.providers.registry import Registry
from tasks.providers.work import LocalWork, Progress, RemoteWork, Surroundings, retry_after

logger = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 30.0
"""For providers that all ask for patience; a longer wait is left to the job's own retries."""


@dataclass(frozen=True)
class Rules:
    """How providers are chosen, and when one is left alone."""

    policy: Policy = "order"
    breaker_failures: int = 5
    breaker_seconds: float = 60.0


class Generator:
    """Makes generations. Lives as long as one of them.

    Args:
        registry: The providers.
        database: The catalogue.
        around: What the work needs.
        rules: How providers are chosen.
        is_cancelled: Asked when the work is interrupted: whether somebody cancelled it, so that the provider is to be
            asked to stop. Whoever only pauses it, or stops its worker, wants it to go on.
    """

    def __init__(
        self,
        registry: Registry,
        database: Database,
        around: Surroundings,
        rules: Rules,
        *,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._registry = registry
        self._database = database
        self._around = around
        self._ledger = around.ledger
        self._rules = rules
        self._is_cancelled = is_cancelled

    def generate(
        self, request: GenerationRequest, subject: Subject, on_progress: Progress = lambda _: None
    ) -> StoredGeneration:
        """Return the stored result of a request, made now unless it was made before.

        Args:
            request: What to make.
            subject: For whom, and against whose caps.
            on_progress: Called with the share (0-1) that is done.

        Raises:
            GenerationInFlightError: Another process is at the same for too long.
            GenerationHeldError: Nobody knows whether it was accepted: a person decides.
            GenerationRefusedError: A provider's policy forbids it.
            BudgetSpentError: A cap would be passed.
            NoProviderError: No provider can do this.
            ProviderError: The providers that can were tried, and failed; the error says whether to try again.
        """
        wait_seconds = self._around.patience.timeout_seconds
        try:
            with named_lock(self._database, lock_name(request.digest()), wait_seconds):
                return self._generate(request, subject, on_progress)
        except TimeoutError as error:
            raise GenerationInFlightError("Another process has worked on the same generation for too long.") from error

    def _generate(self, request: GenerationRequest, subject: Subject, on_progress: Progress) -> StoredGeneration:
        errors: dict[str, DailiesError] = {}
        unfinished = self._ledger.take_unfinished(request, subject)
        if unfinished is not None and (result := self._resumed(unfinished, on_progress, errors)) is not None:
            return result
        wanted = self._candidates(request)
        if (found := self._found(wanted)) is not None:
            return found
        return self._made(
            tuple(each for each in wanted if each.config.name not in errors), subject, on_progress, errors
        )

    def _made(
        self, wanted: tuple[Candidate, ...], subject: Subject, on_progress: Progress, errors: dict[str, DailiesError]
    ) -> StoredGeneration:
        """Ask one after the other; those who only ask for patience again, if it does not take long."""
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        while True:
            for each in wanted:
                if (made := self._tried(each, subject, on_progress, errors)) is not None:
                    return made
            waits = {name: retry_after(error) for name, error in errors.items() if isinstance(error, ProviderBusyError)}
            wanted = tuple(each for each in wanted if waits.get(each.config.name))
            wait = min((waits[each.config.name] for each in wanted), default=0.0)
            if not wanted or time.monotonic() + wait > deadline:
                raise next((error for error in errors.values() if error.retryable), next(iter(errors.values())))
            self._around.sleep(wait)

    def _candidates(self, request: GenerationRequest) -> tuple[Candidate, ...]:
        with self._database.session() as session:
            health = ProviderHealthRepository(session).all()
        return candidates(request, self._registry, self._rules.policy, health)

    def _found(self, wanted: tuple[Candidate, ...]) -> StoredGeneration | None:
        for entry in self._ledger.find_stored(wanted):
            assert entry.result_key is not None
            assert entry.result_sha256 is not None
            # A video that was made of words has become a source, too: that one does not expire.
            for key in (entry.result_key, source_key(entry.result_sha256)):
                if self._around.store.stat(key):
                    return _result(entry, key, is_reused=True)
            logger.info("The result of the generation %s is gone from the store.", entry.id)
        return None

    def _resumed(
        self, entry: Generation, on_progress: Progress, errors: dict[str, DailiesError]
    ) -> StoredGeneration | None:
        """Go on with what another process left behind; ``None`` when nothing comes of it."""
        if entry.state is GenerationState.HELD:
            raise GenerationHeldError(entry.message, {"generation_id": entry.id, "provider": entry.provider})
        config = self._registry.configs.get(entry.provider)
        if config is None:
            if entry.state is GenerationState.PREPARED:
                self._ledger.fail(entry, NoProviderError(f"The settings know no provider {entry.provider} any more."))
                return None
            raise NoProviderError(
                f"The generation {entry.id} is at the provider {entry.provider}, which the settings do not know any "
                "more.",
                {"generation_id": entry.id, "provider": entry.provider},
            )
        return self._carried_on(entry, config, on_progress, errors)

    def _tried(
        self,
        candidate: Candidate,
        subject: Subject,
        on_progress: Progress,
        errors: dict[str, DailiesError],
    ) -> StoredGeneration | None:
        """Have one provider make it; ``None``, with its error noted, when it certainly does not."""
        if self._guard(candidate.config).is_shut():
            errors[candidate.config.name] = left_alone(candidate.config.name)
            return None
        entry = self._ledger.prepare(candidate, subject)
        return self._carried_on(entry, candidate.config, on_progress, errors)

    def _carried_on(
        self, entry: Generation, config: ProviderConfig, on_progress: Progress, errors: dict[str, DailiesError]
    ) -> StoredGeneration | None:
        """Bring an entry to its end; ``None``, with the error noted, when certainly nothing comes of it."""
        work = self._work(config)
        try:
            done = work.carry_on(entry, on_progress)
            assert done.result_key is not None
            return _result(done, done.result_key, is_reused=False)
        except (GenerationRefusedError, GenerationHeldError, GenerationTimeoutError, GenerationInFlightError):
            raise
        except DailiesError as error:
            now = self._ledger.read(entry)
            if now.state is GenerationState.PREPARED:  # what it needs could not be brought together
                now = self._ledger.fail(now, error)
            # Whoever had begun, and was kept from it by this machine, is to begin again.
            if now.state is not GenerationState.FAILED or (now.accepted_at and error.retryable):
                raise
            errors[config.name] = error
            return None
        except BaseException as stop:
            if not isinstance(stop, Exception) and self._is_cancelled():
                work.cancel(self._ledger.read(entry))
            raise

    def _work(self, config: ProviderConfig) -> RemoteWork | LocalWork:
        provider, guard = self._registry.provider(config.name), self._guard(config)
        if isinstance(provider, LocalProvider):
            return LocalWork(provider, guard, self._around)
        assert isinstance(provider, RemoteProvider)
        return RemoteWork(provider, config, guard, self._around)

    def _guard(self, config: ProviderConfig) -> ProviderGuard:
        rules = self._rules
        return ProviderGuard(
            config.name, self._database, failures=rules.breaker_failures, seconds=rules.breaker_seconds
        )


def _result(entry: Generation, key: str, *, is_reused: bool) -> StoredGeneration:
    assert entry.result_sha256 is not None
    return StoredGeneration(
        generation_id=entry.id,
        provider=entry.provider,
        engine=entry.engine,
        model=entry.model,
        capability=entry.capability,
        key=key,
        sha256=entry.result_sha256,
        size_bytes=entry.result_bytes or 0,
        details=entry.details,
        charged=entry.charged or 0.0,
        is_reused=is_reused,
    )
