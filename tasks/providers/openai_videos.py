"""Engine ``openai_videos``: a service that speaks OpenAI's videos API, OpenAI's own or another's.

::

    {"name": "studio", "engine": "openai_videos",
     "url": "https://videos.example.com/v1", "api_key": "…", "model": "wan2.2-t2v",
     "price_per_second": 0.10, "max_duration_seconds": 12, "requests_per_minute": 50,
     "options": {"sizes": ["1280x720", "720x1280"], "seconds": [4, 8, 12],
                 "honours_idempotency_keys": true, "not_accepted_statuses": [500], "timeout_seconds": 60}}

``sizes`` and ``seconds``
    What the model takes; these are the defaults. A request is made at the next length and at the size of its shape
    that comes closest; what has no such size, or is longer than the longest, is rejected.
``honours_idempotency_keys``
    The service promises that the same ``Idempotency-Key`` gives the same generation. Leave it out unless its
    documentation says so: a lost answer is then held for a person instead of being paid twice.
``not_accepted_statuses``
    Statuses beyond the usual by which the service promises that it has accepted nothing (many mean it with 500).

``POST /videos`` (multipart, with ``input_reference`` for a picture) hands in; ``GET /videos/{id}`` tells ``queued``,
``in_progress``, ``completed`` or ``failed``; ``GET /videos/{id}/content`` gives the MP4; ``DELETE /videos/{id}`` is
what there is to stop one. The API knows no seed and no negative prompt.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from data.domain.errors import (
    AnswerLostError,
    GenerationFailedError,
    GenerationRefusedError,
    ProviderMisconfiguredError,
    ProviderUnavailableError,
)
from data.domain.generations import Capability, GenerationRequest
from data.domain.sniffing import Kind
from tasks.providers.asking import (
    fitted_picture,
    option,
    picture_of,
    refuse_unknown_options,
    refuse_what_does_not_fit,
    size_among,
    words_of,
)
from tasks.providers.base import (
    MadeMedia,
    Provider,
    ProviderConfig,
    ProviderProfile,
    References,
    RemoteState,
    RemoteStatus,
)
from tasks.providers.calls import ProviderCalls
from tasks.providers.complaints import complaint_in
from tasks.providers.downloads import download

_SIZES = ["1280x720", "720x1280"]
_SECONDS = [4, 8, 12]
_SIZE = re.compile(r"([1-9]\d{1,4})x([1-9]\d{1,4})")
_TIMEOUT_SECONDS = 60.0
_OPTIONS = ("sizes", "seconds", "honours_idempotency_keys", "not_accepted_statuses", "timeout_seconds")
_STATES = {
    "queued": RemoteState.QUEUED,
    "submitted": RemoteState.QUEUED,
    "in_progress": RemoteState.RUNNING,
    "processing": RemoteState.RUNNING,
    "completed": RemoteState.FINISHED,
    "succeeded": RemoteState.FINISHED,
}
_FAILED = frozenset({"failed", "cancelled", "canceled", "expired"})


def create(config: ProviderConfig) -> Provider:
    """Make a provider of its settings; nothing is connected yet.

    Raises:
        ProviderMisconfiguredError: They make no sense.
    """
    return OpenAIVideos(config)


class OpenAIVideos:
    """A service with OpenAI's videos API."""

    def __init__(self, config: ProviderConfig) -> None:
        refuse_unknown_options(config, _OPTIONS)
        if not config.model:
            raise ProviderMisconfiguredError(f"The provider {config.name} needs a model.", {"option": "model"})
        self._model = config.model
        self._sizes = _sizes(config)
        self._calls = ProviderCalls(
            config,
            option(config, "timeout_seconds", float, _TIMEOUT_SECONDS),
            not_accepted=option(config, "not_accepted_statuses", list, []),
        )
        self._profile = ProviderProfile(
            name=config.name,
            engine=config.engine,
            capabilities=frozenset({Capability.TEXT_TO_VIDEO, Capability.IMAGE_TO_VIDEO}),
            version=config.model,
            limits=replace(config.limits, durations_seconds=_lengths(config)),
            price=config.price,
            takes_idempotency_keys=option(config, "honours_idempotency_keys", bool, False),
        )

    def __repr__(self) -> str:
        """Name, model and address."""
        return f"OpenAIVideos({self._model!r}, {self._calls!r})"

    @property
    def profile(self) -> ProviderProfile:
        """What it is and can do."""
        return self._profile

    def check(self) -> None:
        """See whether the service lets us in and has the model.

        Raises:
            ProviderUnavailableError: It does not.
            ProviderBusyError: It asks for patience.
        """
        listed = self._calls.ask("/models")
        entries = listed.get("data", []) if isinstance(listed, dict) else []
        names = [str(entry["id"]) for entry in entries if isinstance(entry, dict) and "id" in entry]
        if names and self._model not in names:
            raise ProviderUnavailableError(
                f"{self._calls.name} does not offer the model {self._model}.", {"takes": names[:20]}
            )

    def submit(self, request: GenerationRequest, references: References, idempotency_key: str) -> str:
        """Hand a request in and return the service's id of it; see :class:`tasks.providers.base.RemoteProvider`."""
        refuse_what_does_not_fit(self._profile, request)
        width, height = size_among(self._sizes, request, self._calls.name)
        seconds = self._profile.limits.made_seconds(request.options.duration_seconds)
        fields = {
            "model": self._model,
            "prompt": words_of(request),
            "size": f"{width}x{height}",
            "seconds": f"{seconds:g}",
        }
        parts: list[tuple[str, Any]] = [(name, (None, value)) for name, value in fields.items()]
        if picture := picture_of(request, references):
            # The API takes a reference only of the very size of the video.
            parts.append(("input_reference", ("reference.png", fitted_picture(picture, width, height), "image/png")))
        answer = self._calls.hand_in("/videos", headers={"idempotency-key": idempotency_key}, files=parts)
        provider_id = answer.get("id") if isinstance(answer, dict) else None
        if not isinstance(provider_id, str) or not provider_id:
            raise AnswerLostError(f"{self._calls.name} took the request and answered without an id.")
        return provider_id

    def look_up(self, idempotency_key: str) -> str | None:
        """Say that the API knows no look-up by our key: the profile says so, and nobody asks.

        Raises:
            ProviderUnavailableError: Always.
        """
        raise ProviderUnavailableError(f"{self._calls.name} cannot look up {idempotency_key}: no such call is there.")

    def poll(self, provider_id: str) -> RemoteStatus:
        """Ask how far a generation is; see :class:`tasks.providers.base.RemoteProvider`."""
        video = self._calls.ask(_path(provider_id))
        status = video.get("status") if isinstance(video, dict) else None
        if status in _FAILED:
            raise self._failure(video, str(status))
        state = _STATES.get(str(status))
        if state is None:
            raise ProviderUnavailableError(f"{self._calls.name} tells a status that is none: {str(status)[:40]!r}.")
        return RemoteStatus(state, 1.0 if state is RemoteState.FINISHED else _share(video.get("progress")))

    def download(self, provider_id: str, target: Path) -> MadeMedia:
        """Fetch the MP4 of a finished generation; see :class:`tasks.providers.base.RemoteProvider`."""
        download(self._calls, f"{_path(provider_id)}/content", target, Kind.MEDIA)
        return MadeMedia(target, {"engine": self._profile.engine, "model": self._model, "provider_id": provider_id})

    def cancel(self, provider_id: str) -> None:
        """Delete a generation: the API's only way to stop one, and not every service's."""
        self._calls.tell_if_it_hears("DELETE", _path(provider_id))

    def _failure(self, video: dict[str, Any], status: str) -> GenerationFailedError | GenerationRefusedError:
        error = video.get("error")
        complaint = complaint_in(error if isinstance(error, dict) else {"message": error or status})
        sentence = f"{self._calls.name} failed: {self._calls.scrub(complaint.message)}"
        kind = GenerationRefusedError if complaint.is_about_policy else GenerationFailedError
        return kind(sentence, {"provider_code": complaint.code or status})


def _path(provider_id: str) -> str:
    return f"/videos/{quote(provider_id, safe='')}"


def _share(percent: Any) -> float | None:
    return min(1.0, max(0.0, percent / 100)) if isinstance(percent, int | float) else None


def _sizes(config: ProviderConfig) -> tuple[tuple[int, int], ...]:
    sizes = [_SIZE.fullmatch(str(size)) for size in option(config, "sizes", list, _SIZES)]
    found = tuple((int(size[1]), int(size[2])) for size in sizes if size)
    if not found or len(found) < len(sizes):
        raise ProviderMisconfiguredError(
            f'The sizes of the provider {config.name} are to be like "1280x720".', {"option": "sizes"}
        )
    return found


def _lengths(config: ProviderConfig) -> tuple[float, ...]:
    seconds = option(config, "seconds", list, _SECONDS)
    if not seconds or not all(isinstance(each, int | float) and each > 0 for each in seconds):
        raise ProviderMisconfiguredError(
            f"The seconds of the provider {config.name} are to be numbers, like 4.", {"option": "seconds"}
        )
    return tuple(sorted(float(each) for each in seconds))
