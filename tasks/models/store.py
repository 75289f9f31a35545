"""The model store: a directory with the weights of local models, pinned in ``models.lock`` and checked by hash."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from data.domain.errors import DownloadFailedError, ModelMissingError
from tasks.models.pins import Pin, PinLock, install, is_installed, read_lock, verify

MODELS_LOCK = Path(__file__).with_name("models.lock")

ModelState = Literal["verified", "unverified", "damaged", "missing"]


@dataclass(frozen=True)
class ModelStatus:
    """How one model stands in the store."""

    name: str
    about: str
    licence: str
    size_bytes: int
    state: ModelState
    """``unverified``: all files are there with their right sizes but were not hashed since they changed."""


class ModelStore:
    """The weights on this machine. Cheap to make; may be used by several processes at once.

    Args:
        directory: Where the models lie, one folder each.
        auto_pull: Fetch a model that is missing when its path is asked for; else that is an error.
        lock_path: Which models there are.
    """

    def __init__(self, directory: Path, auto_pull: bool = True, lock_path: Path = MODELS_LOCK) -> None:
        self.directory = directory.expanduser()
        self.auto_pull = auto_pull
        self._lock: PinLock = read_lock(lock_path)

    @property
    def names(self) -> tuple[str, ...]:
        """Every model of the lock."""
        return tuple(pin.name for pin in self._lock.pins)

    def path(self, name: str) -> Path:
        """Return the folder of a model whose files were verified.

        Raises:
            ModelMissingError: The model is not there and may not or could not be fetched, or has an unknown name.
            DiskFullError: No space is left to fetch it.
        """
        pin = self._pin(name)
        folder = self.directory / name
        if is_installed(pin, folder) or not verify(pin, folder):
            return folder
        if self.auto_pull:
            return self.pull(name)
        raise _missing(name, f"The model {name} is not in {self.directory}.")

    def version(self, name: str) -> str:
        """Return what identifies a model's exact bytes, for cache keys; it need not be on this machine.

        Raises:
            ModelMissingError: There is no model of that name.
        """
        pin = self._pin(name)
        digest = sha256("".join(f"{file.name}:{file.sha256}" for file in pin.files).encode()).hexdigest()
        return f"{name}-{digest[:12]}"

    def pull(self, name: str) -> Path:
        """Fetch a model unless it is there, and return its folder.

        Raises:
            ModelMissingError: No source gave it, or it has an unknown name.
            DiskFullError: No space is left.
        """
        try:
            return install(self._lock, self._pin(name), self.directory)
        except DownloadFailedError as error:
            raise _missing(name, f"The model {name} could not be fetched: {error.message}") from error

    def status(self) -> tuple[ModelStatus, ...]:
        """Say how every model of the lock stands, without hashing."""
        return tuple(self._status(pin, self._quick_state(pin)) for pin in self._lock.pins)

    def verify(self, names: Sequence[str] = ()) -> tuple[ModelStatus, ...]:
        """Hash every file of the named models (all by default) and say how they stand."""
        pins = [self._pin(name) for name in names] or self._lock.pins
        return tuple(self._status(pin, self._hashed_state(pin)) for pin in pins)

    def _pin(self, name: str) -> Pin:
        pin = self._lock.pin(name)
        if pin is None:
            raise ModelMissingError(
                f"There is no model {name!r}; known: {', '.join(self.names)}.", {"model": name, "known": [*self.names]}
            )
        return pin

    def _status(self, pin: Pin, state: ModelState) -> ModelStatus:
        return ModelStatus(pin.name, pin.about, pin.licence, pin.size_bytes, state)

    def _quick_state(self, pin: Pin) -> ModelState:
        folder = self.directory / pin.name
        if is_installed(pin, folder):
            return "verified"
        found = {path.name: path.stat().st_size for path in folder.glob("[!.]*")}
        if not found.keys() & {file.name for file in pin.files}:
            return "missing"
        sizes_fit = all(found.get(file.name) == file.size_bytes for file in pin.files)
        return "unverified" if sizes_fit else "damaged"

    def _hashed_state(self, pin: Pin) -> ModelState:
        if not verify(pin, self.directory / pin.name):
            return "verified"
        return "missing" if self._quick_state(pin) == "missing" else "damaged"


def _missing(name: str, sentence: str) -> ModelMissingError:
    return ModelMissingError(f"{sentence} Run `python -m tasks.models pull {name}`.", {"model": name})
