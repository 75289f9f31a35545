"""How English words sound, in the letters that Kokoro was trained on; eSpeak NG says it, in a process of its own.

eSpeak NG is GPL-licensed: a program that we run, never a library that we load. The one on ``PATH`` is taken, else the
library of the pinned wheel, opened by a small process that answers over pipes (:mod:`tasks.models.espeak_worker`).
"""

import json
import platform
import re
import select
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Literal, Self

from data.domain.errors import InfrastructureError, ModelMissingError, ToolMissingError
from tasks.models.store import ModelStore

Accent = Literal["en-us", "en-gb"]

_ANSWER_SECONDS = 30.0
_TREE = ("en", "en-US")  # what lies below lang/gmw; everything else lies at the top
_VOICE_FILES: dict[Accent, str] = {"en-us": "gmw/en-US", "en-gb": "gmw/en"}  # without a list of voices, go by file
_WORKER = Path(__file__).with_name("espeak_worker.py")

# eSpeak's sounds in the letters of Kokoro's training (misaki's table), the longest first.
_LETTERS = {
    "ʔˌn\u0329": "tᵊn",
    "ʔn\u0329": "tᵊn",
    "a^ɪ": "I",
    "a^ʊ": "W",
    "d^ʒ": "ʤ",
    "e^ə": "ɛː",
    "e^ɪ": "A",
    "t^ʃ": "ʧ",
    "ɔ^ɪ": "Y",
    "ə^l": "ᵊl",
    "ʔn": "tᵊn",
    "ʲo": "jo",
    "ʲə": "jə",
    "e": "A",
    "r": "ɹ",
    "x": "k",
    "ç": "k",
    "ɐ": "ə",
    "ɚ": "əɹ",
    "ɬ": "l",
    "ʔ": "t",
    "ɾ": "T",
    "ʲ": "",
    "\u0303": "",
}
_ACCENT_LETTERS: dict[Accent, dict[str, str]] = {
    "en-us": {"o^ʊ": "O", "ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɪə": "iə", "ː": ""},
    "en-gb": {"iə": "ɪə", "ə^ʊ": "Q"},
}
_SYLLABIC = "\u0329"


class Phonemizer:
    """Says how text sounds, to several threads in turn; lives for one narration.

    Args:
        store: Where the pinned eSpeak NG lies, should none be on ``PATH``.
        accent: Whose English.
    """

    def __init__(self, store: ModelStore, accent: Accent = "en-us") -> None:
        self._accent: Accent = accent
        self._turn = Lock()
        program = shutil.which("espeak-ng")
        self._process = _Program(program, accent) if program else _Worker(_pinned(store), accent)
        self.version = self._process.version
        """Which eSpeak NG answers, for records and cache keys."""
        self.phonemes = lru_cache(maxsize=4096)(self._ask)
        """Return a text's sounds in Kokoro's letters, a blank between words; empty where nothing is to be said."""

    def __enter__(self) -> Self:
        """Nothing yet: the process was started with the object."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._process.close()

    def _ask(self, text: str) -> str:
        if not text.strip():
            return ""
        with self._turn:
            return to_letters(self._process.ask(text), self._accent)


def to_letters(ipa: str, accent: Accent) -> str:
    """Turn eSpeak's IPA (``^`` ties the letters of one sound) into Kokoro's letters."""
    text = re.sub(r"\((?:en|[a-z]{2,3}(?:-[a-z]+)?)\)", "", ipa)  # marks of a change of language
    for sound, letter in _LETTERS.items():
        text = text.replace(sound, letter)
    text = re.sub(rf"(\S){_SYLLABIC}", r"ᵊ\1", text).replace(_SYLLABIC, "")
    for sound, letter in _ACCENT_LETTERS[accent].items():
        text = text.replace(sound, letter)
    return " ".join(text.replace("^", "").replace("_", " ").split())


def pinned_name() -> str:
    """Return the name that this machine's eSpeak NG has in the model store."""
    return f"espeak-ng-{sys.platform}-{platform.machine()}"


def _pinned(store: ModelStore) -> Path:
    name = pinned_name()
    if name not in store.names:
        raise ToolMissingError(
            f"Narration needs the program espeak-ng, and none is packaged for {sys.platform} {platform.machine()}: "
            "install it with the system's package manager.",
            {"tool": "espeak-ng"},
        )
    return store.path(name)


class _Program:
    """The ``espeak-ng`` of this machine, run once for each text."""

    def __init__(self, program: str, accent: Accent) -> None:
        self._argv = [program, "-q", "--ipa", "--tie=^", "-b", "1", "-v", accent, "--stdin"]
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=_ANSWER_SECONDS)
        found = re.search(r"\d+(?:\.\d+)+", done.stdout)
        self.version = f"espeak-ng {found.group() if found else 'unknown'} (PATH)"

    def ask(self, text: str) -> str:
        try:
            done = subprocess.run(
                self._argv, input=text, capture_output=True, text=True, check=True, timeout=_ANSWER_SECONDS
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise InfrastructureError("espeak-ng failed.", {"tool": "espeak-ng"}) from error
        return " ".join(done.stdout.split())

    def close(self) -> None:
        """Nothing runs on."""


class _Worker:
    """The pinned library in a process of its own, asked over pipes; ends with them."""

    def __init__(self, files: Path, accent: Accent) -> None:
        library = next((path for path in sorted(files.glob("libespeak-ng.*"))), None)
        if library is None:
            raise ModelMissingError(
                f"{files} holds no eSpeak NG. Run `python -m tasks.models pull {files.name}`.", {"model": files.name}
            )
        self._data = TemporaryDirectory(prefix="dailies-espeak-")
        tree = Path(self._data.name) / "espeak-ng-data"
        (tree / "lang" / "gmw").mkdir(parents=True)
        (tree / "voices").mkdir()
        for path in files.glob("[!.]*"):
            folder = tree / "lang" / "gmw" if path.name in _TREE else tree
            (folder / path.name).symlink_to(path.resolve())
        self._process = subprocess.Popen(
            [sys.executable, "-I", _WORKER, library, tree, _VOICE_FILES[accent]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.version = "espeak-ng 1.52 (pinned)"

    def ask(self, text: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(text) + "\n")
            self._process.stdin.flush()
            ready, _, _ = select.select([self._process.stdout], [], [], _ANSWER_SECONDS)
            line = self._process.stdout.readline() if ready else ""
        except OSError as error:
            raise InfrastructureError("eSpeak NG has ended.", {"tool": "espeak-ng"}) from error
        if not line:
            raise InfrastructureError("eSpeak NG gave no answer.", {"tool": "espeak-ng"})
        return str(json.loads(line))

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._data.cleanup()
