"""Text to speech with Kokoro-82M (int8 ONNX on the CPU), with the time of every word.

The network works out itself how long each sound lasts; that inner tensor is made an output, so the times of words are
those of the very sounds, not guesses. It draws no random numbers: the same text, voice and rate give the same sound.

Each text takes one thread: two texts at a time are ready sooner, and for a third less work, than one by two threads.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from data.domain.errors import ModelMissingError, RecipeInvalidError
from tasks.media.captions import Word
from tasks.models.phonemes import Accent, Phonemizer
from tasks.models.speaking import SpokenWord, spoken_words
from tasks.models.versions import NARRATION_MODEL

SAMPLE_RATE_HZ = 24_000
MODEL_FILE = "model.onnx"
MODEL_NAME = NARRATION_MODEL

VOICES = {
    "af_heart": "American woman, warm",
    "af_bella": "American woman, lively",
    "af_nicole": "American woman, whispering",
    "af_aoede": "American woman, clear",
    "af_kore": "American woman, firm",
    "af_sarah": "American woman, calm",
    "am_michael": "American man, even",
    "am_fenrir": "American man, deep",
    "am_puck": "American man, bright",
    "am_echo": "American man, soft",
    "bf_emma": "British woman, even",
    "bf_isabella": "British woman, gentle",
    "bm_george": "British man, even",
    "bm_fable": "British man, storyteller",
}
"""Every voice by its name; the first letter tells the accent, the second whether it is a woman's or a man's."""

_FRAME_SAMPLES = 600
_MAX_TOKENS = 400  # of 510: the longest phrases come out rushed
_DURATIONS = "/encoder/Clip_output_0"
_QUIET = 0.004
_EDGE_SECONDS = 0.04
# Each sound with its number in Kokoro's vocabulary.
_VOCABULARY = """
    ;1 :2 ,3 .4 !5 ?6 —9 …10 "11 (12 )13 “14 ”15 ʣ18 ʥ19 ʦ20 ʨ21 ᵝ22 A24 I25 O31 Q33 S35 T36 W39 Y41 ᵊ42 a43
    b44 c45 d46 e47 f48 h50 i51 j52 k53 l54 m55 n56 o57 p58 q59 r60 s61 t62 u63 v64 w65 x66 y67 z68 ɑ69 ɐ70
    ɒ71 æ72 β75 ɔ76 ɕ77 ç78 ɖ80 ð81 ʤ82 ə83 ɚ85 ɛ86 ɜ87 ɟ90 ɡ92 ɥ99 ɨ101 ɪ102 ʝ103 ɯ110 ɰ111 ŋ112 ɳ113 ɲ114
    ɴ115 ø116 ɸ118 θ119 œ120 ɹ123 ɾ125 ɻ126 ʁ128 ɽ129 ʂ130 ʃ131 ʈ132 ʧ133 ʊ135 ʋ136 ʌ138 ɣ139 ɤ140 χ142 ʎ143
    ʒ147 ʔ148 ˈ156 ˌ157 ː158 ʰ162 ʲ164 ↓169 →171 ↗172 ↘173 ᵻ177
"""
_TOKENS = {" ": 16} | {entry[0]: int(entry[1:]) for entry in _VOCABULARY.split()}

Samples = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Speech:
    """A spoken text: mono samples in -1 to 1 at 24 kHz, and when each word is said."""

    samples: Samples
    words: tuple[Word, ...]
    """Every written word, in seconds from the beginning; one that is not said has no length."""

    @property
    def duration_seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / SAMPLE_RATE_HZ


@dataclass(frozen=True)
class _Unit:
    """A word and its sounds."""

    word: SpokenWord
    sounds: str


class Narrator:
    """Reads text aloud with one voice, to several threads at once; the weights are loaded once per process.

    Args:
        model_directory: The folder that the model store gives for ``kokoro-82m``.
        phonemizer: Says how words sound; of the voice's accent (:func:`accent_of`).
        voice: One of :data:`VOICES`.
        rate: 1 is the voice's own pace, 2 twice as fast.

    Raises:
        RecipeInvalidError: There is no such voice.
        ModelMissingError: The folder holds no such model.
    """

    def __init__(self, model_directory: Path, phonemizer: Phonemizer, voice: str, rate: float = 1.0) -> None:
        check_voice(voice)
        self._styles = _styles(model_directory / f"{voice}.bin")
        self._session = _load(model_directory / MODEL_FILE)
        self._phonemizer = phonemizer
        self._rate = rate

    def say(self, text: str) -> Speech:
        """Read a sentence or two aloud; silence of no length where nothing can be said."""
        words = spoken_words(text)
        parts = [self._say_units(units) for units in _portions(self._units(words))]
        samples: list[Samples] = []
        times: list[Word] = []
        offset = 0.0
        for speech in parts:
            samples.append(speech.samples)
            times += [Word(word.text, word.start_seconds + offset, word.end_seconds + offset) for word in speech.words]
            offset += speech.duration_seconds
        return Speech(np.concatenate(samples) if samples else np.zeros(0, dtype=np.float32), tuple(times))

    def _units(self, words: Sequence[SpokenWord]) -> list[_Unit]:
        """Sounds of a text: asked for between two marks at once, since words sound otherwise in a sentence."""
        units: list[_Unit] = []
        stretch: list[SpokenWord] = []
        for word in words:
            stretch.append(word)
            if word.mark:
                units += self._stretch_units(stretch)
                stretch = []
        return units + self._stretch_units(stretch)

    def _stretch_units(self, words: Sequence[SpokenWord]) -> list[_Unit]:
        said = [word for word in words if word.said]
        groups = self._phonemizer.phonemes(" ".join(word.said for word in said)).split()
        found = iter(_aligned(groups, [self._phonemizer.phonemes(word.said) for word in said]))
        return [_Unit(word, next(found) if word.said else "") for word in words]

    def _say_units(self, units: Sequence[_Unit]) -> Speech:
        text, spans = _joined(units)
        written = [unit.word.written for unit in units]
        if not any(unit.sounds for unit in units):
            return Speech(np.zeros(0, dtype=np.float32), tuple(Word(word, 0.0, 0.0) for word in written))
        tokens = [0, *(_TOKENS[sound] for sound in text), 0]
        style = self._styles[min(len(text), len(self._styles) - 1)]
        audio, durations = self._session.run(
            ["audio", _DURATIONS],
            {
                "tokens": np.array([tokens], dtype=np.int64),
                "style": style[None],
                "speed": np.array([self._rate], dtype=np.float32),
            },
        )
        samples = np.asarray(audio, dtype=np.float32).reshape(-1)
        ends = list(accumulate(float(frames) for frames in np.asarray(durations).reshape(-1)))
        at = [frames * _FRAME_SAMPLES / SAMPLE_RATE_HZ for frames in ends]
        trimmed, cut_seconds = _trimmed(samples)
        length = len(trimmed) / SAMPLE_RATE_HZ
        words = []
        for word, span in zip(written, spans, strict=True):
            start, end = (min(max(0.0, at[place] - cut_seconds), length) for place in span)
            words.append(Word(word, start, end))
        return Speech(trimmed, tuple(words))


def accent_of(voice: str) -> Accent:
    """Return whose English a voice speaks."""
    return "en-gb" if voice.startswith("b") else "en-us"


def check_voice(voice: str) -> None:
    """See whether there is such a voice.

    Raises:
        RecipeInvalidError: There is none.
    """
    if voice not in VOICES:
        raise RecipeInvalidError(f"There is no voice {voice!r}.", {"field": "voice", "known": [*VOICES]})


def _aligned(groups: Sequence[str], alone: Sequence[str]) -> list[str]:
    """Share the sounds of a stretch among its words by the length that each has when it is asked for alone.

    eSpeak ties little words together ("of the" is one group); where a border between groups is near, it is taken.
    """
    joined = "".join(groups)
    borders = {0, *accumulate(len(group) for group in groups)}
    lengths = [len(sounds.replace(" ", "")) for sounds in alone]
    total = max(1, sum(lengths))
    cuts = [0]
    for length in accumulate(lengths):
        place = round(length * len(joined) / total)
        near = min(borders, key=lambda border: abs(border - place))
        cuts.append(max(cuts[-1], near if abs(near - place) <= 1 else place))
    return [_spaced(joined, start, end, borders) for start, end in pairwise(cuts)]


def _spaced(sounds: str, start: int, end: int, borders: set[int]) -> str:
    return "".join(f" {sounds[i]}" if i in borders and i > start else sounds[i] for i in range(start, end))


def _portions(units: Sequence[_Unit]) -> Iterator[list[_Unit]]:
    """Units in portions that the network takes, broken after a mark where there is one."""
    portion: list[_Unit] = []
    size = 0
    for unit in units:
        length = len(unit.sounds) + 2
        if portion and size + length > _MAX_TOKENS:
            cut = next((i for i in range(len(portion), 0, -1) if portion[i - 1].word.mark), len(portion))
            yield portion[:cut]
            portion = portion[cut:]
            size = sum(len(other.sounds) + 2 for other in portion)
        portion.append(unit)
        size += length
    if portion:
        yield portion


def _joined(units: Sequence[_Unit]) -> tuple[str, list[tuple[int, int]]]:
    """All sounds with their marks, and for each unit which token ends before it and which is its last.

    Indexes count with the token of silence that comes first.
    """
    text = ""
    spans = []
    for unit in units:
        sounds = "".join(sound for sound in unit.sounds if sound in _TOKENS)
        if sounds and text:
            text += " "
        start = len(text)
        text += sounds
        spans.append((start, len(text)))
        mark = unit.word.mark
        if mark and text and text[-1] not in ";:,.!?—… ":
            text += mark
    return text, spans


def _trimmed(samples: Samples) -> tuple[Samples, float]:
    """The sound without the silence around it, and how many seconds went in front."""
    loud = np.flatnonzero(np.abs(samples) > _QUIET)
    if not len(loud):
        return samples, 0.0
    edge = int(_EDGE_SECONDS * SAMPLE_RATE_HZ)
    start, end = max(0, int(loud[0]) - edge), min(len(samples), int(loud[-1]) + edge)
    kept = samples[start:end].copy()
    ramp = np.linspace(0, 1, min(edge, len(kept)), dtype=np.float32)
    kept[: len(ramp)] *= ramp
    kept[len(kept) - len(ramp) :] *= ramp[::-1]
    return kept, start / SAMPLE_RATE_HZ


def _styles(path: Path) -> Samples:
    if not path.is_file():
        raise ModelMissingError(
            f"{path} is missing. Run `python -m tasks.models pull {MODEL_NAME}`.", {"model": MODEL_NAME}
        )
    return np.fromfile(path, dtype=np.float32).reshape(-1, 256)


@lru_cache(maxsize=1)
def _load(model_file: Path) -> onnxruntime.InferenceSession:
    if not model_file.is_file():
        raise ModelMissingError(
            f"{model_file} is missing. Run `python -m tasks.models pull {MODEL_NAME}`.", {"model": MODEL_NAME}
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False  # else it keeps what the longest sentence took, for good
    model = model_file.read_bytes() + _one_more_output(_DURATIONS)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _one_more_output(name: str) -> bytes:
    """Bytes that, at the end of an ONNX model, make an inner tensor of floats an output too.

    A message of protobuf that comes twice is merged, and repeated fields of it are joined: this is a graph (field 7) of
    nothing but an output (field 12).
    """
    tensor_type = _field(2, _field(1, b"\x08\x01"))  # elem_type: float
    return _field(7, _field(12, _field(1, name.encode()) + tensor_type))


def _field(number: int, content: bytes) -> bytes:
    assert len(content) < 128, "longer ones have a length of two bytes"
    return bytes([number << 3 | 2, len(content)]) + content
