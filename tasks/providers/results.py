"""What a provider gave: looked at before it is believed, then put into the object store."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import av
from PIL import Image, UnidentifiedImageError

from data.domain.errors import UnsupportedInputError
from data.domain.generations import Capability
from data.domain.keys import generation_key
from data.domain.ledger import Generation
from data.storage import ObjectStore, StoredObject
from tasks.media.probe import probe
from tasks.media.tools import Toolset
from tasks.providers.base import MadeMedia

SUFFIXES: Mapping[Capability, str] = MappingProxyType(
    {
        Capability.TEXT_TO_VIDEO: ".mp4",
        Capability.IMAGE_TO_VIDEO: ".mp4",
        Capability.TEXT_TO_IMAGE: ".png",
        Capability.SPEECH: ".wav",
        Capability.TRANSCRIPTION: ".json",
        Capability.CHAT: ".json",
    }
)
"""Of the file that a provider is given to write to."""


def check_result(path: Path, capability: Capability, tools: Toolset) -> None:
    """Do nothing if a file is what was asked for, as far as its headers and packets tell.

    Raises:
        DataError: It is not.
    """
    if not path.is_file() or path.stat().st_size == 0:
        raise UnsupportedInputError("The provider gave nothing.")
    _CHECKS[capability](path, tools)


def store_result(made: MadeMedia, entry: Generation, store: ObjectStore) -> tuple[StoredObject, str]:
    """Put a result into the store; returns it with the sha256 of its bytes."""
    with made.path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    suffix = made.path.suffix or SUFFIXES[entry.capability]
    return store.put_file(made.path, generation_key(entry.request_digest, entry.id, suffix)), sha256


def _check_video(path: Path, tools: Toolset) -> None:
    probe(path, tools, scratch=path.parent)


def _check_image(path: Path, _: Toolset) -> None:
    try:
        with Image.open(path) as image:
            image.verify()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise UnsupportedInputError(f"The provider gave no picture: {error}.") from error


def _check_sound(path: Path, _: Toolset) -> None:
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio or next(container.decode(audio=0), None) is None:
                raise UnsupportedInputError("The provider gave no sound.")
    except (av.FFmpegError, OSError) as error:
        raise UnsupportedInputError(f"The provider gave no sound: {error}.") from error


def _check_text(path: Path, _: Toolset) -> None:
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UnsupportedInputError("The provider gave no text.") from error


_CHECKS: Mapping[Capability, Callable[[Path, Toolset], None]] = {
    Capability.TEXT_TO_VIDEO: _check_video,
    Capability.IMAGE_TO_VIDEO: _check_video,
    Capability.TEXT_TO_IMAGE: _check_image,
    Capability.SPEECH: _check_sound,
    Capability.TRANSCRIPTION: _check_text,
    Capability.CHAT: _check_text,
}
