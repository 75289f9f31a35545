"""Engine ``comfyui``: a ComfyUI server, spoken to over HTTP and its websocket.

::

    {"name": "comfy", "engine": "comfyui", "url": "http://gpu-box:8188",
     "max_duration_seconds": 10,
     "options": {"workflows": {"text_to_video": "workflows/wan-t2v.json", "image_to_video": "workflows/wan-i2v.json"},
                 "frame_step": 4, "size_multiple": 16, "timeout_seconds": 60}}

``workflows``
    A file for each capability (``text_to_video``, ``image_to_video``, ``text_to_image``): see
    :mod:`tasks.providers.workflows` for how to make one. A relative path starts at the current directory.
``frame_step``, ``size_multiple``
    The model makes ``1 + n x frame_step`` frames (Wan, CogVideoX: 4; LTX: 8) of sizes that are multiples of
    ``size_multiple`` pixels (Wan: 16; LTX: 32). These are the defaults.
``api_key``
    Sent as a bearer token, for a server behind a proxy that wants one.

A prompt's id is made of our idempotency key and sent along; older versions give their own, so the key also stands in
the prompt's ``extra_data``. Either way the queue and the history tell whether a prompt whose answer was lost has
arrived (``can_look_up``). A ComfyUI that was restarted has forgotten its queue, and with it the prompts themselves.
"""

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from data.domain.errors import (
    AnswerLostError,
    DownloadFailedError,
    GenerationFailedError,
    ProviderError,
    ProviderMisconfiguredError,
    ProviderUnavailableError,
)
from data.domain.generations import Capability, GenerationRequest
from data.domain.sniffing import Kind
from tasks.providers.asking import (
    DEFAULT_SECONDS,
    fitted_picture,
    frames_for,
    option,
    picture_of,
    refuse_unknown_options,
    refuse_what_does_not_fit,
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
from tasks.providers.comfyui_history import MAKES, Entry, Output, entry_of, failure_of, results_of
from tasks.providers.comfyui_progress import ProgressListener
from tasks.providers.downloads import download
from tasks.providers.workflows import Workflow, read_workflow

_TIMEOUT_SECONDS = 60.0
_LOOKED_THROUGH = 500
"""So many of the newest finished prompts are looked through for a lost one."""
_OPTIONS = ("workflows", "frame_step", "size_multiple", "timeout_seconds")
_CAPABILITIES = (Capability.TEXT_TO_VIDEO, Capability.IMAGE_TO_VIDEO, Capability.TEXT_TO_IMAGE)
_KEY = "dailies_key"
_NAMESPACE = uuid.UUID("6f3b0a86-0f0c-5d0e-9b3c-0d6c1b1f5a11")


def create(config: ProviderConfig) -> Provider:
    """Make a provider of its settings; nothing is connected yet.

    Raises:
        ProviderMisconfiguredError: They make no sense, or a workflow is not in order.
    """
    return ComfyUI(config)


class ComfyUI:
    """A ComfyUI server."""

    def __init__(self, config: ProviderConfig) -> None:
        refuse_unknown_options(config, _OPTIONS)
        self._workflows = _workflows(config)
        self._frame_step = max(1, option(config, "frame_step", int, 4))
        self._size_multiple = max(2, option(config, "size_multiple", int, 16))
        self._calls = ProviderCalls(config, option(config, "timeout_seconds", float, _TIMEOUT_SECONDS))
        self._listeners: dict[str, ProgressListener] = {}
        self._profile = ProviderProfile(
            name=config.name,
            engine=config.engine,
            capabilities=frozenset(self._workflows),
            version=" ".join(each.digest for each in self._workflows.values()),
            limits=config.limits,
            price=config.price,
            can_look_up=True,
        )

    def __repr__(self) -> str:
        """Name, capabilities and address."""
        return f"ComfyUI({', '.join(sorted(self._workflows))}, {self._calls!r})"

    @property
    def profile(self) -> ProviderProfile:
        """What it is and can do."""
        return self._profile

    def check(self) -> None:
        """See whether the server answers.

        Raises:
            ProviderUnavailableError: It does not.
            ProviderBusyError: It asks for patience.
        """
        stats = self._calls.ask("/system_stats")
        if not isinstance(stats, dict) or "system" not in stats:
            raise ProviderUnavailableError(f"{self._calls.name} answers, but not as ComfyUI does.")

    def submit(self, request: GenerationRequest, references: References, idempotency_key: str) -> str:
        """Hand a request in and return the prompt's id; see :class:`tasks.providers.base.RemoteProvider`."""
        refuse_what_does_not_fit(self._profile, request)
        width, height = (self._made_length(each) for each in (request.width, request.height))
        picture = picture_of(request, references)
        uploaded = self._upload(fitted_picture(picture, width, height)) if picture else ""
        options, own_id = request.options, _prompt_id(idempotency_key)
        prompt = self._workflows[request.capability].filled(
            {
                "prompt": words_of(request),
                "negative_prompt": options.negative_prompt,
                "width": width,
                "height": height,
                "frames": frames_for(options.duration_seconds or DEFAULT_SECONDS, options.frame_rate, self._frame_step),
                "fps": options.frame_rate,
                "seed": request.seed,
                "image": uploaded,
            }
        )
        makes = "picture" if request.capability is Capability.TEXT_TO_IMAGE else "video"
        extra_data = {_KEY: idempotency_key, MAKES: makes}
        answer = self._calls.hand_in(
            "/prompt",
            json={"prompt": prompt, "prompt_id": own_id, "client_id": own_id, "extra_data": extra_data},
        )
        prompt_id = answer.get("prompt_id") if isinstance(answer, dict) else None
        if not isinstance(prompt_id, str) or not prompt_id:
            raise AnswerLostError(f"{self._calls.name} took the request and answered without an id.")
        return prompt_id

    def look_up(self, idempotency_key: str) -> str | None:
        """Return the id of the prompt that was handed in with a key; see :class:`~tasks.providers.base.RemoteProvider`.

        The queue first: what leaves it meanwhile is in the history by then.
        """
        own_id = _prompt_id(idempotency_key)
        for entry in self._known():
            if entry.prompt_id == own_id or entry.extra_data.get(_KEY) == idempotency_key:
                return entry.prompt_id
        return None

    def poll(self, provider_id: str) -> RemoteStatus:
        """Ask how far a prompt is; see :class:`tasks.providers.base.RemoteProvider`."""
        finished = self._finished(provider_id)
        if finished is None:
            waiting = self._in_queue(provider_id)
            if waiting is not None:
                return self._unfinished(waiting)
            finished = self._finished(provider_id)  # it left the queue between the two looks
        self._stop_listening(provider_id)
        if finished is None:
            raise GenerationFailedError(f"{self._calls.name} no longer knows the prompt: it was deleted, or restarted.")
        if failure := failure_of(finished):
            raise GenerationFailedError(f"{self._calls.name} failed: {self._calls.scrub(failure)}")
        if not results_of(finished):
            raise GenerationFailedError(f"The workflow on {self._calls.name} has made nothing of what it is to make.")
        return RemoteStatus(RemoteState.FINISHED, 1.0)

    def download(self, provider_id: str, target: Path) -> MadeMedia:
        """Fetch the result of a finished prompt; see :class:`tasks.providers.base.RemoteProvider`."""
        try:
            finished = self._finished(provider_id)
        except ProviderUnavailableError as error:
            raise DownloadFailedError(error.message, error.facts) from error
        results = results_of(finished) if finished else ()
        if not results:
            raise DownloadFailedError(f"{self._calls.name} knows no result of the prompt.")
        result = results[0]
        download(self._calls, "/view", target, Kind.MEDIA if result.is_video else Kind.PICTURE, **result.query)
        return MadeMedia(target, self._details(provider_id, result))

    def cancel(self, provider_id: str) -> None:
        """Take a prompt out of the queue, or interrupt it when it is being worked on: never another one."""
        self._calls.tell_if_it_hears("POST", "/queue", json={"delete": [provider_id]})
        if self._is_running(provider_id):  # older versions interrupt whatever runs
            self._calls.tell_if_it_hears("POST", "/interrupt", json={"prompt_id": provider_id})
        self._stop_listening(provider_id)

    def _made_length(self, asked: int) -> int:
        return max(1, round(asked / self._size_multiple)) * self._size_multiple

    def _upload(self, picture: bytes) -> str:
        """Bring a picture there and return its name. The same one again takes its own place; nothing is paid by it."""
        name = f"dailies-{hashlib.sha256(picture).hexdigest()[:24]}.png"
        answer = self._calls.tell(
            "POST", "/upload/image", files={"image": (name, picture, "image/png")}, data={"overwrite": "true"}
        ).json
        if not isinstance(answer, dict) or not isinstance(answer.get("name"), str):
            raise ProviderUnavailableError(f"{self._calls.name} did not take the picture.")
        return f"{folder}/{answer['name']}" if (folder := answer.get("subfolder")) else str(answer["name"])

    def _known(self) -> Iterator[Entry]:
        yield from self._queue()
        history = self._calls.ask("/history", max_items=_LOOKED_THROUGH)
        if not isinstance(history, dict):
            raise ProviderUnavailableError(f"{self._calls.name} tells no history.")
        yield from (entry_of(item.get("prompt")) for item in history.values() if isinstance(item, dict))

    def _finished(self, prompt_id: str) -> Mapping[str, Any] | None:
        history = self._calls.ask(f"/history/{quote(prompt_id, safe='')}")
        found = history.get(prompt_id, {}) if isinstance(history, dict) else None
        if not isinstance(found, dict):
            raise ProviderUnavailableError(f"{self._calls.name} tells no history.")
        return found or None

    def _queue(self) -> list[Entry]:
        """Return what waits and runs. An answer without sense is no empty queue: that would mean a lost prompt."""
        queue = self._calls.ask("/queue")
        parts = [queue.get(name) for name in ("queue_running", "queue_pending")] if isinstance(queue, dict) else []
        lists = [part for part in parts if isinstance(part, list)]
        if len(lists) != 2:
            raise ProviderUnavailableError(f"{self._calls.name} tells no queue.")
        running, pending = lists
        return [*(entry_of(item, is_running=True) for item in running), *(entry_of(item) for item in pending)]

    def _in_queue(self, prompt_id: str) -> Entry | None:
        return next((entry for entry in self._queue() if entry.prompt_id == prompt_id), None)

    def _is_running(self, prompt_id: str) -> bool:
        try:
            entry = self._in_queue(prompt_id)
        except ProviderError:
            return False
        return entry is not None and entry.is_running

    def _unfinished(self, entry: Entry) -> RemoteStatus:
        listener = self._listeners.get(entry.prompt_id)
        client_id = entry.extra_data.get("client_id")
        if client_id and (listener is None or not listener.is_listening):
            listener = ProgressListener(self._calls, str(client_id), entry.prompt_id, entry.node_count)
            self._listeners[entry.prompt_id] = listener
        if not entry.is_running:
            return RemoteStatus(RemoteState.QUEUED, 0.0)
        return RemoteStatus(RemoteState.RUNNING, listener.share if listener else None)

    def _stop_listening(self, prompt_id: str) -> None:
        if listener := self._listeners.pop(prompt_id, None):
            listener.close()

    def _details(self, provider_id: str, result: Output) -> dict[str, object]:
        workflows = {str(capability): workflow.digest for capability, workflow in self._workflows.items()}
        return {
            "engine": self._profile.engine,
            "provider_id": provider_id,
            "workflows": workflows,
            "file": result.query["filename"],
        }


def _prompt_id(idempotency_key: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, idempotency_key))


def _workflows(config: ProviderConfig) -> dict[Capability, Workflow]:
    named = option(config, "workflows", dict, {})
    unknown = sorted(set(named) - set(_CAPABILITIES))
    if not named or unknown:
        raise ProviderMisconfiguredError(
            f"The provider {config.name} needs workflows: files for what it is to make of {', '.join(_CAPABILITIES)}.",
            {"unknown": unknown},
        )
    return {
        Capability(name): read_workflow(Path(str(path)).expanduser(), Capability(name)) for name, path in named.items()
    }
