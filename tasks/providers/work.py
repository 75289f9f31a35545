"""The work on one entry of the ledger, from wherever it stands to its stored result.

========  =================================================================  ======================
state     what a process does that finds an entry in it                      what that may lead to
========  =================================================================  ======================
prepared  sends it, under its own idempotency key                            sending
sending   nobody knows: sends the same key again where the provider takes    accepted, failed, held
          keys, else looks it up by the key, else leaves it to a person
accepted  asks how far it is, under the provider's id and no other           made, failed
made      downloads it, as often as it takes                                 stored
========  =================================================================  ======================
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from data.domain.errors import (
    AnswerLostError,
    CancelledByRequestError,
    DailiesError,
    DataError,
    DownloadFailedError,
    GenerationFailedError,
    GenerationHeldError,
    GenerationRefusedError,
    GenerationRejectedError,
    GenerationTimeoutError,
    ProviderBusyError,
    ProviderError,
    ProviderUnavailableError,
)
from data.domain.generations import GenerationRequest, GenerationState
from data.domain.ledger import Generation
from data.storage import ObjectStore
from tasks.media.child import signals_held
from tasks.media.tools import Toolset
from tasks.providers.base import LocalProvider, MadeMedia, ProviderConfig, References, RemoteProvider, RemoteState
from tasks.providers.guard import ProviderGuard
from tasks.providers.ledger import Ledger
from tasks.providers.results import SUFFIXES, check_result, store_result

T = TypeVar("T")

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Patience:
    """How long, and how often."""

    poll_seconds: float = 5.0
    """Between two questions whether it is done."""
    timeout_seconds: float = 3600.0
    """From acceptance to the result."""
    attempts: int = 3
    """Of sending anew after a lost answer, and of downloads, by one process."""
    pause_seconds: float = 1.0
    """Before the second of them; doubled each time."""


@dataclass(frozen=True)
class Surroundings:
    """What the work needs beside the provider."""

    ledger: Ledger
    store: ObjectStore
    tools: Toolset
    workspace: Callable[[], AbstractContextManager[Path]]
    """Opens an empty scratch directory."""
    rate_limit: Callable[[str], None]
    """Waits until a provider, by name, may be sent one more request."""
    patience: Patience = Patience()
    sleep: Callable[[float], None] = time.sleep
    """Waits for so many seconds, between two questions."""


class RemoteWork:
    """Works on an entry at a provider elsewhere; lives as long as the work."""

    def __init__(
        self, provider: RemoteProvider, config: ProviderConfig, guard: ProviderGuard, around: Surroundings
    ) -> None:
        self._provider = provider
        self._config = config
        self._guard = guard
        self._around = around
        self._ledger = around.ledger
        self._patience = around.patience

    def carry_on(self, entry: Generation, on_progress: Progress) -> Generation:
        """Bring an entry to its stored result.

        Raises:
            GenerationHeldError: A person has to decide.
            DailiesError: The ledger says ``failed`` if that is definite; otherwise the next try goes on from here.
        """
        if entry.state is GenerationState.SENDING:
            entry = self._find_out(entry)
        if entry.state is GenerationState.PREPARED:
            entry = self._send(entry)
        if entry.state is GenerationState.ACCEPTED:
            entry = self._await(entry, on_progress)
        return self._download(entry)

    def cancel(self, entry: Generation) -> None:
        """Ask the provider to stop, and write it down; of an entry that is being sent nobody knows enough for that."""
        if entry.state is GenerationState.SENDING:
            return
        if entry.provider_id is not None:
            self._ask_to_stop(entry.provider_id)
        self._ledger.cancel(entry, CancelledByRequestError("Cancelled by request."))

    def _send(self, entry: Generation) -> Generation:
        """Send the request for the first time."""
        try:
            return self._submit(entry)
        except AnswerLostError:
            return self._find_out(self._ledger.read(entry))

    def _submit(self, entry: Generation) -> Generation:
        """Bring together what is sent, wait for the provider's rate limit, and send it."""
        self._around.rate_limit(entry.provider)
        with self._around.workspace() as scratch:
            return self._hand_in(entry, fetch_references(entry.request, self._around.store, scratch))

    def _hand_in(self, entry: Generation, references: References) -> Generation:
        """Send the request; a stop waits until the answer is on record, since what is not on record may be lost money.

        Raises:
            AnswerLostError: It may have been accepted; the entry stays as it is.
            ProviderError: It was not accepted, and the entry is over.
        """
        with signals_held():
            is_first = entry.state is GenerationState.PREPARED
            entry = self._ledger.begin_sending(entry)
            try:
                provider_id = self._guard.call(
                    lambda: self._provider.submit(entry.request, references, entry.idempotency_key)
                )
            except AnswerLostError:
                raise
            except (ProviderUnavailableError, ProviderBusyError) as error:
                # That nothing was accepted is said of this call, not of the one before it.
                if is_first:
                    self._ledger.fail(entry, error)
                raise
            except (ProviderError, GenerationRefusedError, DataError) as error:
                self._ledger.fail(entry, error)
                raise
            return self._ledger.accept(entry, provider_id)

    def _find_out(self, entry: Generation) -> Generation:
        """Find out what became of a request whose answer was lost.

        Raises:
            GenerationHeldError: Nobody can: a person decides.
            ProviderUnavailableError: The provider does not say now; the entry stays as it is.
        """
        profile = self._provider.profile
        if not (profile.takes_idempotency_keys or profile.can_look_up):
            error = outcome_unknown(entry)
            self._ledger.hold(entry, error)
            raise error
        return self._tried(lambda: self._ask_again(entry), (AnswerLostError,), _still_unknown(entry))

    def _ask_again(self, entry: Generation) -> Generation:
        if not self._provider.profile.takes_idempotency_keys:
            found = self._guard.call(lambda: self._provider.look_up(entry.idempotency_key))
            if found is not None:
                return self._ledger.accept(entry, found)
        return self._submit(self._ledger.read(entry))

    def _await(self, entry: Generation, on_progress: Progress) -> Generation:
        """Wait until the provider has finished it."""
        provider_id, began = entry.provider_id, entry.accepted_at
        assert provider_id is not None
        assert began is not None
        while True:
            pause = self._patience.poll_seconds
            try:
                status = self._guard.call(lambda: self._provider.poll(provider_id))
            except (ProviderUnavailableError, ProviderBusyError) as error:
                pause = max(pause, retry_after(error))
            except (GenerationFailedError, GenerationRejectedError, GenerationRefusedError) as error:
                self._ledger.fail(entry, error, is_charged=self._config.charges_failed)
                raise
            else:
                if status.state is RemoteState.FINISHED:
                    return self._made(entry)
                on_progress(status.progress or 0.0)
            left = self._patience.timeout_seconds - (datetime.now(UTC) - began).total_seconds()
            if left <= 0:
                self._give_up(entry, provider_id)
            self._around.sleep(min(pause, max(left, 0.0)))

    def _made(self, entry: Generation) -> Generation:
        entry = self._ledger.note_made(entry)
        assert entry.made_at is not None
        self._guard.note_making((entry.made_at - (entry.sent_at or entry.made_at)).total_seconds())
        return entry

    def _give_up(self, entry: Generation, provider_id: str) -> None:
        self._ask_to_stop(provider_id)
        seconds = self._patience.timeout_seconds
        error = GenerationTimeoutError(
            f"{entry.provider} has not made the generation {entry.id} within {seconds:g} s; it was asked to stop.",
            {"generation_id": entry.id, "provider": entry.provider, "timeout_seconds": seconds},
        )
        self._ledger.fail(entry, error)
        raise error

    def _ask_to_stop(self, provider_id: str) -> None:
        try:
            self._guard.call(lambda: self._provider.cancel(provider_id))
        except DailiesError:
            return  # asking was all that could be done

    def _download(self, entry: Generation) -> Generation:
        """Fetch what was made, and store it."""
        lasting = DownloadFailedError(
            f"{entry.provider} has made the generation {entry.id}, but does not give it whole.",
            {"generation_id": entry.id, "provider": entry.provider},
        )
        return self._tried(lambda: self._download_once(entry), (DownloadFailedError,), lasting)

    def _download_once(self, entry: Generation) -> Generation:
        provider_id = entry.provider_id
        assert provider_id is not None
        with self._around.workspace() as scratch:
            target = scratch / f"result{SUFFIXES[entry.capability]}"
            made = self._guard.call(lambda: self._provider.download(provider_id, target))
            try:
                check_result(made.path, entry.capability, self._around.tools)
            except DataError as error:
                raise DownloadFailedError(f"What {entry.provider} gave is not whole: {error.message}") from error
            return keep(made, entry, self._around)

    def _tried(
        self, do: Callable[[], Generation], passing: tuple[type[DailiesError], ...], lasting: DailiesError
    ) -> Generation:
        """Do something that may fail in passing a few times; raise the lasting error when it does each time."""
        pause = self._patience.pause_seconds
        for attempt in range(1, self._patience.attempts + 1):
            try:
                return do()
            except passing as error:
                if attempt == self._patience.attempts:
                    raise lasting from error
                self._around.sleep(max(pause, retry_after(error)))
                pause *= 2
        raise AssertionError("a process tries at least once")


class LocalWork:
    """Works on an entry on this machine; lives as long as the work."""

    def __init__(self, provider: LocalProvider, guard: ProviderGuard, around: Surroundings) -> None:
        self._provider = provider
        self._guard = guard
        self._around = around

    def carry_on(self, entry: Generation, on_progress: Progress) -> Generation:
        """Make what is asked for, from the beginning, and store it.

        Raises:
            DailiesError: It failed, and the ledger says so.
        """
        ledger = self._around.ledger
        entry = ledger.begin_making(entry)
        began = time.monotonic()
        with self._around.workspace() as scratch:
            try:
                made = self._guard.call(lambda: self._make(entry, scratch, on_progress))
            except DailiesError as error:
                ledger.fail(entry, error, is_charged=False)
                raise
            self._guard.note_making(time.monotonic() - began)
            return keep(made, entry, self._around)

    def cancel(self, entry: Generation) -> None:
        """Write down that it was stopped."""
        self._around.ledger.cancel(entry, CancelledByRequestError("Cancelled by request."))

    def _make(self, entry: Generation, scratch: Path, on_progress: Progress) -> MadeMedia:
        references = fetch_references(entry.request, self._around.store, scratch)
        place = scratch / "making"
        place.mkdir()
        made = self._provider.make(entry.request, references, place, on_progress)
        try:
            check_result(made.path, entry.capability, self._around.tools)
        except DataError as error:
            raise GenerationFailedError(f"What {entry.provider} made is not whole: {error.message}") from error
        return made


def keep(made: MadeMedia, entry: Generation, around: Surroundings) -> Generation:
    """Put a result into the store, then write down that it lies there."""
    stored, sha256 = store_result(made, entry, around.store)
    return around.ledger.store(entry, stored, sha256, dict(made.details))


def fetch_references(request: GenerationRequest, store: ObjectStore, scratch: Path) -> References:
    """Bring the user's own pictures and clips into a scratch directory, by the names that the request gives them."""
    folder = scratch / "references"
    return {
        each.name: store.fetch(each.key, folder / f"{place}{Path(each.name).suffix}")
        for place, each in enumerate(request.references)
    }


def retry_after(error: DailiesError) -> float:
    """Return how many seconds of patience a provider asked for; 0 where it did not."""
    seconds = error.facts.get("retry_after_seconds")
    return float(seconds) if isinstance(seconds, int | float) and not isinstance(seconds, bool) else 0.0


def outcome_unknown(entry: Generation) -> GenerationHeldError:
    """Return the error of an entry of which nobody knows whether it was accepted."""
    return GenerationHeldError(
        f"Whether {entry.provider} has taken the generation {entry.id} cannot be found out: look there, then "
        f"release, adopt or drop it.",
        {"generation_id": entry.id, "provider": entry.provider},
    )


def _still_unknown(entry: Generation) -> ProviderUnavailableError:
    return ProviderUnavailableError(
        f"{entry.provider} does not say whether it has taken the generation {entry.id}; it will be asked again.",
        {"generation_id": entry.id, "provider": entry.provider},
    )
