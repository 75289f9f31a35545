"""A voice over a video: a text read aloud, sentence by sentence, into one sound file."""

import re
import wave
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

from data.domain.errors import VoiceOverTooLongError
from data.domain.recipes import VoiceOverOptions
from tasks.media.captions import Transcript, Word
from tasks.models.store import ModelStore
from tasks.models.versions import NARRATION_MODEL

_PAUSE_SECONDS = 0.35
"""Between two sentences."""
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|\n+")


@dataclass(frozen=True)
class SpokenText:
    """A text that was read aloud."""

    path: Path
    """WAV, 24 kHz, one channel; begins with the first word."""
    duration_seconds: float
    words: tuple[Word, ...]
    """With their times in the video."""

    def words_told(self, begins_at_seconds: float, ends_at_seconds: float | None) -> str:
        """Say for a person how many words are heard in a part of the video: ``11 words``, ``5 of 11 words``."""
        end = inf if ends_at_seconds is None else ends_at_seconds
        heard = sum(begins_at_seconds <= each.start_seconds < end for each in self.words)
        return f"{len(self.words)} words" if heard == len(self.words) else f"{heard} of {len(self.words)} words"

    def transcript(self, duration_seconds: float, begins_at_seconds: float = 0.0) -> Transcript:
        """Return it as the transcript of so many seconds of a video, from some time on."""
        ends_at_seconds = begins_at_seconds + duration_seconds
        heard = (each for each in self.words if begins_at_seconds <= each.start_seconds < ends_at_seconds)
        return Transcript(
            language="en",
            language_probability=1.0,
            words=tuple(
                replace(
                    each,
                    start_seconds=each.start_seconds - begins_at_seconds,
                    end_seconds=each.end_seconds - begins_at_seconds,
                )
                for each in heard
            ),
            duration_seconds=duration_seconds,
            model=NARRATION_MODEL,
        )


def speak(options: VoiceOverOptions, models: ModelStore, target: Path, most_seconds: float) -> SpokenText:
    """Read a text aloud.

    Args:
        options: The text, and how it is read.
        models: Where the voice comes from.
        target: The new WAV file.
        most_seconds: Of the video; the voice has to end within it.

    Raises:
        VoiceOverTooLongError: The video ends before the voice does.
        RecipeInvalidError: There is no such voice.
        ModelMissingError: The voice is not on this machine.
    """
    # Imported here: a run that reads nothing aloud must not pay for it.
    import numpy as np

    from tasks.models.narration import SAMPLE_RATE_HZ, Narrator, accent_of
    from tasks.models.phonemes import Phonemizer

    words: list[Word] = []
    with (
        Phonemizer(models, accent_of(options.voice)) as phonemizer,
        wave.open(str(target), "wb") as file,
    ):
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        narrator = Narrator(models.path(NARRATION_MODEL), phonemizer, options.voice, options.speech_rate)
        for sentence in filter(str.strip, _SENTENCE.split(options.text)):
            if file.tell():
                file.writeframes(bytes(2 * round(_PAUSE_SECONDS * SAMPLE_RATE_HZ)))
            begins = options.start_seconds + file.tell() / SAMPLE_RATE_HZ
            speech = narrator.say(sentence)
            words += [Word(each.text, begins + each.start_seconds, begins + each.end_seconds) for each in speech.words]
            file.writeframes((np.clip(speech.samples, -1, 1) * 32767).astype("<i2").tobytes())
        seconds = file.tell() / SAMPLE_RATE_HZ
    if options.start_seconds + seconds > most_seconds:
        raise VoiceOverTooLongError(
            f"The voice-over takes {seconds:.1f} s from {options.start_seconds:.1f} s on, and the video lasts "
            f"{most_seconds:.1f} s. Shorten voice_over.text, or raise voice_over.speech_rate.",
            {"voice_seconds": round(seconds, 1), "video_seconds": round(most_seconds, 1)},
        )
    return SpokenText(target, seconds, tuple(words))
