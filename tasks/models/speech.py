"""Speech to text with Whisper (faster-whisper, int8 on the CPU), and the rule by which it invents no words.

Whisper answers music, noise and silence with words of its own: phrases from its training ("Thank you very much."), or
one word in an endless loop. What is kept has passed, in this order:

1. *Voice*: Silero's voice detector (packaged with faster-whisper) hears speech there; nothing else is transcribed.
2. *One try*: no fallback to higher temperatures. What is sure comes out at temperature 0; what needs sampling is a
   guess, another one each time, and costs up to a minute for half a minute of music.
3. *No loop*: a window (up to 30 s) whose text repeats itself more than real speech does is dropped. The opening of A
   Tale of Two Cities, as repetitive as prose gets, compresses to 1/2.4; loops start at 1/12. So is what is faster than
   anybody speaks.
4. *Confidence*: the window's mean log probability and the mean probability of a phrase's words, both stricter where the
   model itself doubts that somebody speaks; and a whole transcript of a few words needs to be sure of them.

Words that are kept are never rewritten. The numbers were set on real speech (clean, quiet, under music, in noise), and
on a film's music and effects, instruments, noise, tones and speech played backwards.
"""

import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from data.domain.errors import ModelMissingError, RecipeInvalidError
from tasks.media.captions import Transcript, Word
from tasks.models.audio import AudioBlock, read_blocks, sound_seconds

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.transcribe import Segment, TranscriptionInfo

NO_LANGUAGE = "und"
"""ISO 639 code of a transcript without words."""
TRANSLATED_LANGUAGE = "en"
"""The only language that Whisper translates into."""

_MAX_REPETITION = 2.8
_MAX_WORDS_PER_SECOND = 9.0
_MIN_LOG_PROBABILITY = -0.9
_MIN_WORD_PROBABILITY = 0.5
_DOUBTED_SPEECH = 0.6
_DOUBTED_MIN_LOG_PROBABILITY = -0.6
_DOUBTED_MIN_WORD_PROBABILITY = 0.7
_FEW_WORDS = 3
_SURE_LANGUAGE = 0.5
_BABBLE = 3
"""So often one letter is no stutter, which would end in a word."""
_SOUND_TAG = re.compile(r"^\s*[\[(*♪].*[\])*♪]\s*$")


def transcribe(
    audio: Path,
    model_directory: Path,
    *,
    language: str | None = None,
    threads: int = 0,
    on_progress: Callable[[float], None] | None = None,
) -> Transcript:
    """Write down what is said in a sound file.

    Args:
        audio: Any file with an audio stream.
        model_directory: A folder of Whisper weights in CTranslate2's format, as the model store gives it.
        language: ISO 639 code of the speech; ``None`` lets the model tell, once for the whole file.
        threads: CPU threads; 0 takes CTranslate2's default.
        on_progress: Called with the share (0–1) of the sound that is done.

    Returns:
        The words with their times in seconds; no words, and the language ``und``, where nobody speaks.

    Raises:
        ModelMissingError: The folder holds no such model.
        RecipeInvalidError: The model does not know the language.
        UnsupportedInputError: The file has no sound.
        CorruptInputError: The sound cannot be decoded.
    """
    model = _load(model_directory, threads)
    _check_language(model, language)
    progress = _Progress(on_progress, sound_seconds(audio))
    words: list[Word] = []
    heard, probability, end_seconds = language or NO_LANGUAGE, 0.0, 0.0
    for block in read_blocks(audio):
        found, info = _transcribe_block(model, block, language, progress)
        end_seconds = block.start_seconds + block.duration_seconds
        words += found
        if found and info.language_probability > probability:
            heard, probability = info.language, float(info.language_probability)
            language = heard if probability >= _SURE_LANGUAGE else language
        progress.reach(end_seconds)
    if not _is_believable(words):
        words, heard, probability = [], NO_LANGUAGE, 0.0
    return Transcript(
        language=heard,
        language_probability=probability,
        words=tuple(words),
        duration_seconds=end_seconds,
        model=model_directory.name,
    )


def translate(
    audio: Path,
    model_directory: Path,
    said: Transcript,
    *,
    threads: int = 0,
    on_progress: Callable[[float], None] | None = None,
) -> Transcript:
    """Write down in English what was said in another language.

    How sure the model is of words tells little here, since nobody has said them: what counts is that somebody speaks
    where they are.

    Args:
        audio: The file that the transcript is of.
        model_directory: As for :func:`transcribe`.
        said: What was said, as :func:`transcribe` wrote it down.
        threads: CPU threads; 0 takes CTranslate2's default.
        on_progress: Called with the share (0–1) of the sound that is done.

    Returns:
        The words; their times are guesses within those of their phrases.
    """
    model = _load(model_directory, threads)
    progress = _Progress(on_progress, sound_seconds(audio))
    words: list[Word] = []
    for block in read_blocks(audio):
        segments, _ = _segments(model, block, said.language, "translate")
        for segment in _without_loops(segments):
            found = list(_words(segment, block.start_seconds))
            if found and not _SOUND_TAG.match(segment.text) and _is_spoken_over(found, said.words):
                words += found
            progress.reach(block.start_seconds + float(segment.end))
        progress.reach(block.start_seconds + block.duration_seconds)
    return said.model_copy(update={"language": TRANSLATED_LANGUAGE, "words": tuple(words), "is_translation": True})


def _is_spoken_over(phrase: Sequence[Word], said: Sequence[Word]) -> bool:
    """Say whether somebody speaks while a translated phrase is shown."""
    start, end = phrase[0].start_seconds, phrase[-1].end_seconds
    return any(word.start_seconds < end and word.end_seconds > start for word in said)


class _Progress:
    """Turns times in the sound into shares of it, for one transcription."""

    def __init__(self, on_progress: Callable[[float], None] | None, duration_seconds: float | None) -> None:
        self._on_progress = on_progress
        self._duration_seconds = duration_seconds

    def reach(self, seconds: float) -> None:
        """Tell that everything up to a time is done."""
        if self._on_progress and self._duration_seconds:
            self._on_progress(min(1.0, seconds / self._duration_seconds))


def _transcribe_block(
    model: "WhisperModel", block: AudioBlock, language: str | None, progress: _Progress
) -> tuple[list[Word], "TranscriptionInfo"]:
    segments, info = _segments(model, block, language, "transcribe")
    words: list[Word] = []
    for segment in _without_loops(segments):
        if _is_spoken(segment):
            words += _words(segment, block.start_seconds)
        progress.reach(block.start_seconds + float(segment.end))
    return words, info


def _segments(
    model: "WhisperModel", block: AudioBlock, language: str | None, task: str
) -> tuple[Iterable["Segment"], "TranscriptionInfo"]:
    answer: tuple[Iterable[Segment], TranscriptionInfo] = model.transcribe(
        block.samples,
        language=language,
        task=task,
        beam_size=5,
        temperature=0.0,
        compression_ratio_threshold=None,
        log_prob_threshold=None,
        no_speech_threshold=None,
        condition_on_previous_text=False,
        word_timestamps=True,
        vad_filter=True,
        vad_parameters={"min_silence_duration_ms": 500},
        language_detection_segments=4,
    )
    return answer


def _without_loops(segments: Iterable["Segment"]) -> Iterator["Segment"]:
    for _, window in groupby(segments, key=lambda segment: segment.seek):
        phrases = list(window)
        if repetition("".join(phrase.text for phrase in phrases)) <= _MAX_REPETITION:
            yield from phrases


def repetition(text: str) -> float:
    """Say how repetitive a text is: by which factor it compresses, alike in every script.

    The low byte of each character is enough to tell repetition, and unlike UTF-8 it does not make a script with three
    bytes a character look repetitive.
    """
    characters = bytes(ord(character) & 0xFF for character in text)
    return len(characters) / len(zlib.compress(characters))


def _is_spoken(segment: "Segment") -> bool:
    """Say whether a phrase was spoken, or invented by the model."""
    words = [word for word in segment.words or () if _has_letters(word.word)]
    if not words or _SOUND_TAG.match(segment.text) or is_babble(segment.text):
        return False
    if _is_too_fast(len(words), float(segment.end - segment.start)):
        return False
    sureness = float(sum(word.probability for word in words)) / len(words)
    log_probability = float(segment.avg_logprob)
    if segment.no_speech_prob >= _DOUBTED_SPEECH:
        return log_probability >= _DOUBTED_MIN_LOG_PROBABILITY and sureness >= _DOUBTED_MIN_WORD_PROBABILITY
    return log_probability >= _MIN_LOG_PROBABILITY and sureness >= _MIN_WORD_PROBABILITY


def is_babble(text: str) -> bool:
    """Say whether a phrase is one letter again and again ("W-w-w-w"), as which the model hears a wind instrument."""
    letters = re.findall(r"\w+", text.casefold())
    return len(letters) >= _BABBLE and len(set(letters)) == 1 and len(letters[0]) == 1


def _is_too_fast(word_count: int, seconds: float) -> bool:
    # Times of one or two words are too coarse to judge by.
    return word_count > _FEW_WORDS and word_count > seconds * _MAX_WORDS_PER_SECOND


def _is_believable(words: list[Word]) -> bool:
    if len(words) > _FEW_WORDS:
        return True
    return bool(words) and sum(word.probability for word in words) / len(words) >= _DOUBTED_MIN_WORD_PROBABILITY


def _words(segment: "Segment", offset_seconds: float) -> Iterable[Word]:
    for index, word in enumerate(segment.words or ()):
        if _has_letters(word.word):
            yield Word(
                text=word.word.strip(),
                start_seconds=round(offset_seconds + float(word.start), 3),
                end_seconds=round(offset_seconds + float(word.end), 3),
                probability=round(float(word.probability), 4),
                joins_previous=index > 0 and not word.word.startswith(" "),
            )


def _has_letters(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _check_language(model: "WhisperModel", language: str | None) -> None:
    if language is not None and language not in model.supported_languages:
        raise RecipeInvalidError(
            f"The speech model does not know the language {language!r}.", {"field": "captions.language"}
        )


@lru_cache(maxsize=1)
def _load(model_directory: Path, threads: int) -> "WhisperModel":
    """Load the weights; once per process, since that takes longer than a minute of speech."""
    if not (model_directory / "model.bin").is_file() or not (model_directory / "tokenizer.json").is_file():
        raise ModelMissingError(
            f"{model_directory} holds no Whisper model. Run `python -m tasks.models pull whisper-base`.",
            {"directory": str(model_directory)},
        )
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when the hub client is imported: never ask a hub at run time
    from faster_whisper import WhisperModel  # takes a second: only for those who transcribe

    return WhisperModel(
        str(model_directory), device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True
    )
