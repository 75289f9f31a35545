"""What every provider of generations looks like: one interface for those elsewhere, one for those on this machine.

A provider is a plain client: it knows a protocol, and neither the ledger, nor prices that were paid, nor retries. What
it raises says what is known: a :class:`ProviderUnavailableError` or :class:`ProviderBusyError` from ``submit`` means
that **nothing was accepted**; an :class:`AnswerLostError` that nobody knows. That difference is what keeps a
generation from being paid twice, so a provider must never guess.

Jobs ask for video: of words, or of a picture that is set in motion. An engine may say that it makes pictures, speech,
transcripts or chat as well, and its results are checked and kept alike; no flow of ours asks for those. Narration,
captions and the reading of pictures are made by the local models of :mod:`tasks.models`, never by a provider.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from data.domain.generations import Capability, GenerationRequest

References = Mapping[str, Path]
"""The user's own pictures and clips as local files, by the name of the reference."""


@dataclass(frozen=True)
class Price:
    """What a generation costs, in the settings' currency."""

    per_generation: float = 0.0
    per_second: float = 0.0
    """For each second of video or sound that is asked for."""

    def of(self, seconds: float | None) -> float:
        """Return the price of one generation of so many seconds."""
        return self.per_generation + self.per_second * (seconds or 0.0)


@dataclass(frozen=True)
class ProviderLimits:
    """What a provider takes at most."""

    max_duration_seconds: float | None = None
    max_prompt_characters: int | None = None
    requests_per_minute: int | None = None
    durations_seconds: tuple[float, ...] = ()
    """The only lengths that it makes, shortest first; a request is made, and billed, at the next. Empty: any."""

    def made_seconds(self, asked: float | None) -> float | None:
        """Return the length that a request for so many seconds is made and billed at; ``None``: not known before."""
        if not self.durations_seconds:
            return asked
        fitting = (length for length in self.durations_seconds if asked is None or length >= asked)
        return next(fitting, self.durations_seconds[-1])


@dataclass(frozen=True)
class ProviderProfile:
    """What is known of a provider before it is asked for anything."""

    name: str
    """Its name in the settings; several may be of the same engine."""
    engine: str
    capabilities: frozenset[Capability]
    version: str = ""
    """Of what decides its results beside the request (models, code): another one makes what was made before anew."""
    limits: ProviderLimits = ProviderLimits()
    price: Price = Price()
    takes_idempotency_keys: bool = False
    """The same key sent again gives the generation of the first time: a lost answer may be asked for again."""
    can_look_up: bool = False
    """A generation can be found by our key after its answer was lost."""
    shows_references: bool = False
    """Asked for video of words it shows every picture and clip that comes along; others set one picture in motion."""

    @property
    def is_paid(self) -> bool:
        """Whether anything that it makes costs money."""
        return self.price != Price()

    def cost_of(self, asked_seconds: float | None) -> float:
        """Return what one generation costs that is asked to be so long (seconds), at the length it is billed at."""
        return self.price.of(self.limits.made_seconds(asked_seconds))


@dataclass(frozen=True, kw_only=True)
class ProviderConfig:
    """What an engine makes a provider of: one provider of the settings, and where models lie.

    Each engine's module has ``create(config: ProviderConfig) -> Provider``; it connects and loads nothing yet.
    """

    name: str
    """Its name in the settings; several may be of the same engine."""
    engine: str
    url: str = ""
    """Where it is reached, for engines elsewhere; no slash at the end."""
    api_key: str | None = field(default=None, repr=False)
    model: str = ""
    """Which of the engine's models; empty takes the engine's own choice."""
    price: Price = Price()
    limits: ProviderLimits = ProviderLimits()
    charges_failed: bool = True
    """Whether it charges for what it accepted and then failed to make; for the ledger, engines need not look."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What only this engine knows; plain JSON values."""
    models_directory: Path = Path("models")
    """The model store of this machine."""
    auto_pull: bool = True
    """Whether missing weights may be fetched."""
    threads: int = 0
    """Threads of one model; 0 lets it choose."""


class RemoteState(StrEnum):
    """How far a generation is, as the provider says it."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"


@dataclass(frozen=True)
class RemoteStatus:
    """What a provider says of one of its generations that has not failed."""

    state: RemoteState
    progress: float | None = None
    """0-1, where the provider tells."""


@dataclass(frozen=True)
class MadeMedia:
    """A file that was made."""

    path: Path
    details: Mapping[str, object] = field(default_factory=dict)
    """What made it: models with their hashes, the seed, settings; plain JSON values."""


@runtime_checkable
class Provider(Protocol):
    """What both kinds share."""

    @property
    def profile(self) -> ProviderProfile:
        """What it is and can do."""

    def check(self) -> None:
        """See whether it would take work now, cheaply and free of charge.

        Raises:
            ProviderError: It would not.
        """


@runtime_checkable
class RemoteProvider(Provider, Protocol):
    """A provider that takes a request, works on it for a while elsewhere, and gives the result when asked."""

    def submit(self, request: GenerationRequest, references: References, idempotency_key: str) -> str:
        """Hand a request in and return the provider's id of it.

        Raises:
            ProviderUnavailableError: It could not be reached, or said that it takes nothing; nothing was accepted.
            ProviderBusyError: It asks for patience (429); nothing was accepted.
            GenerationRejectedError: It does not take this request; nothing was accepted.
            GenerationRefusedError: Its policy forbids the request; nothing was accepted.
            AnswerLostError: The request may have been accepted: the connection broke, or the answer makes no sense.
        """

    def look_up(self, idempotency_key: str) -> str | None:
        """Return the id of the generation that was handed in with a key; ``None``: there is none.

        Only called where the profile says ``can_look_up``.

        Raises:
            ProviderError: It did not say.
        """

    def poll(self, provider_id: str) -> RemoteStatus:
        """Ask how far a generation is.

        Raises:
            ProviderUnavailableError: It did not say; the generation goes on.
            ProviderBusyError: It asks for patience; the generation goes on.
            GenerationFailedError: It failed for good.
            GenerationRefusedError: Its policy refused the result.
        """

    def download(self, provider_id: str, target: Path) -> MadeMedia:
        """Fetch the result of a finished generation into a new file.

        Raises:
            DownloadFailedError: It came broken or not at all; it may be asked for again.
        """

    def cancel(self, provider_id: str) -> None:
        """Ask for a generation to be stopped; nothing happens where the provider cannot."""


@runtime_checkable
class LocalProvider(Provider, Protocol):
    """A provider on this machine: it makes the result while one waits, and costs nothing."""

    def make(
        self,
        request: GenerationRequest,
        references: References,
        scratch: Path,
        on_progress: Callable[[float], None],
    ) -> MadeMedia:
        """Make a video (or picture, or sound) in a scratch directory.

        Args:
            request: What to make.
            references: The user's own pictures and clips.
            scratch: An empty directory; the result is a file in it.
            on_progress: Called with the share (0-1) that is done.

        Raises:
            GenerationRejectedError: It cannot make this.
            ModelMissingError: Weights are missing; says how to fetch them.
        """
