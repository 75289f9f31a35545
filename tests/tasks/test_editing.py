"""The changes of picture and sound on real clips, as a viewer, a detector and a speech model see them."""

import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from platformdirs import user_cache_path

from data.domain.assets import SourceFacts
from data.domain.errors import UpscaleTooSlowError, VoiceOverTooLongError
from data.domain.provenance import Action
from data.domain.recipes import Recipe
from tasks.editing import Workbench, prepare_media, write_sound
from tasks.media.captions import Transcript, Word, join_words
from tasks.media.decoding import Clip
from tasks.media.frames import Picture
from tasks.media.probe import probe
from tasks.media.process import Limits
from tasks.media.tools import find_tools
from tasks.models.faces import find_faces
from tasks.models.speech import transcribe
from tasks.models.store import ModelStore
from tasks.voice_over import speak
from tests.fakes.clips import clip
from tests.fakes.word_errors import word_error_rate

TOOLS = find_tools()


@pytest.fixture(scope="module")
def models() -> ModelStore:
    """The real models, in the user's cache; fetched once."""
    return ModelStore(user_cache_path("dailies") / "models")


class Bench:
    """Prepares clips in a directory of the test's own."""

    def __init__(self, scratch: Path, models: ModelStore) -> None:
        self.scratch = scratch
        self.shares: list[float] = []
        self.bench = Workbench(
            scratch, TOOLS, models, Limits(), lambda: nullcontext(2), on_progress=self.shares.append, threads=2
        )
        self.notes: tuple[str, ...] = ()
        self.actions: tuple[Action, ...] = ()

    def make(self, name: str, *arguments: str | Path) -> Path:
        target = self.scratch / name
        subprocess.run([TOOLS.ffmpeg, "-v", "error", "-nostdin", "-y", *arguments, target], check=True)
        return target

    def prepare(self, source: Path, transcript: Transcript | None = None, **overrides: object) -> tuple[Path, Clip]:
        before = Clip(source, probe(source, TOOLS))
        target = self.scratch / "mezzanine.mp4"
        recipe = Recipe().with_overrides({name.replace("__", "."): value for name, value in overrides.items()})
        spoken = None
        if recipe.voice_over.text:
            voice = self.scratch / "voice.wav"
            spoken = speak(recipe.voice_over, self.bench.models, voice, before.duration_seconds)
            transcript = transcript or spoken.transcript(before.duration_seconds)
        done = prepare_media(before, recipe, target, self.bench, transcript, spoken)
        self.notes, self.actions = done.notes, done.actions
        after = Clip(target, probe(target, TOOLS))
        assert abs(after.facts.duration_seconds - before.facts.duration_seconds) <= 1 / before.frame_rate
        return target, after


@pytest.fixture
def bench(tmp_path: Path, models: ModelStore) -> Bench:
    return Bench(tmp_path, models)


def frames(path: Path) -> Iterator[Picture]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="bgr24")


def x264(rate: int) -> tuple[str, ...]:
    return ("-r", str(rate), "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


@pytest.mark.parametrize("method", ["blur", "pixelate"])
def test_no_face_is_found_in_any_frame_any_more(method: str, bench: Bench, models: ModelStore) -> None:
    faces = models.path("centerface")
    source = bench.make("short.mp4", "-i", clip("carphone_pristine"), "-t", "2", *x264(10))
    assert all(find_faces(picture, faces) for picture in frames(source))

    target, _ = bench.prepare(source, anonymise__enabled=True, anonymise__method=method)

    found = [find_faces(picture, faces) for picture in frames(target)]
    assert len(found) == 20
    assert not any(found)
    assert "20 of 20 frames" in bench.notes[0]
    assert [(each.what, each.models[0].name) for each in bench.actions] == [("faces hidden", "centerface")]
    assert bench.actions[0].models[0].version


@pytest.mark.slow
def test_faces_stay_hidden_in_a_clip_of_variable_rate_and_come_back_after_the_cut(
    bench: Bench, models: ModelStore
) -> None:
    target, after = bench.prepare(clip("face_noface"), anonymise__enabled=True)

    assert not any(find_faces(picture, models.path("centerface")) for picture in frames(target))
    assert after.size == (960, 540)


def test_a_clip_without_faces_is_left_as_it_is(bench: Bench) -> None:
    source = bench.make("bikes.mp4", "-i", clip("bikes"), "-t", "0.5", *x264(10))

    bench.prepare(source, anonymise__enabled=True)

    assert bench.notes == ("No faces were found that would have to be hidden.",)


def walking(bench: Bench, subject: Picture, count: int = 40, rate: int = 8) -> tuple[Path, np.ndarray]:
    """A picture that walks to and fro over a real photo; return the clip, and where its middle is (0–1)."""
    ground = cv2.GaussianBlur(cv2.resize(cv2.imread(str(clip("tower"))), (640, 360)), (0, 0), 3)
    height, width = subject.shape[:2]
    places = 0.5 + 0.38 * np.sin(np.arange(count) / count * 2 * np.pi)
    for index, place in enumerate(places):
        picture = ground.copy()
        left, top = int(place * 640 - width / 2), 330 - height
        picture[top : top + height, left : left + width] = subject
        cv2.imwrite(str(bench.scratch / f"walk-{index:03d}.png"), picture)
    numbered = bench.scratch / "walk-%03d.png"
    return bench.make("walk.mp4", "-framerate", str(rate), "-i", numbered, *x264(rate), "-crf", "12"), places


def window_centres(source: Path, target: Path) -> list[float]:
    """Where in the source's frames those of an upright cut-out were taken, by matching them; 0–1."""
    found = []
    for before, after in zip(frames(source), frames(target), strict=True):
        scores = cv2.matchTemplate(before[::6], after[::6], cv2.TM_SQDIFF)
        found.append((int(scores[0].argmin()) + after.shape[1] / 2) / before.shape[1])
    return found


@pytest.mark.parametrize("kind", ["face", "thing"])
def test_the_window_follows_what_matters_and_moves_smoothly(kind: str, bench: Bench) -> None:
    if kind == "face":
        subject = cv2.resize(cv2.imread(str(clip("single_face"))), (100, 98))
    else:
        subject = np.full((120, 60, 3), (30, 40, 230), dtype=np.uint8)
    source, places = walking(bench, subject)

    target, after = bench.prepare(source, reframe__enabled=True)

    centres = np.array(window_centres(source, target))
    window = after.size[0] / 640
    assert after.size == (202, 360)
    assert float(np.mean(np.abs(centres - places) <= window / 2)) >= 0.95
    assert np.abs(np.diff(centres, 2)).max() <= 0.02  # of the width, from one eighth of a second to the next
    assert bench.shares == sorted(bench.shares)


def test_small_pictures_get_their_size_and_are_sharper_than_enlarged_ones(bench: Bench) -> None:
    original = bench.make("large.mp4", "-ss", "2", "-i", clip("bigbuckbunny"), "-frames:v", "2", "-an", *x264(25))
    small = bench.make("small.mp4", "-i", original, "-vf", "scale=160:90:flags=area", *x264(25), "-crf", "8")

    target, after = bench.prepare(small, upscale__enabled=True, upscale__target_short_side=360)

    assert after.size == (640, 360)
    for large, low, made in zip(frames(original), frames(small), frames(target), strict=True):
        truth = cv2.resize(large, (640, 360), interpolation=cv2.INTER_AREA)
        plain = cv2.resize(low, (640, 360), interpolation=cv2.INTER_CUBIC)
        assert sharpness(made) > 1.5 * sharpness(plain)
        assert sharpness(made) < 1.5 * sharpness(truth)  # edges, not noise
        assert cv2.PSNR(made, truth) > cv2.PSNR(plain, truth) - 1.5


def sharpness(picture: Picture) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.CV_64F).var())


def test_what_would_take_too_long_to_upscale_is_refused_with_the_time_it_would_take(bench: Bench) -> None:
    with pytest.raises(UpscaleTooSlowError) as refused:
        bench.prepare(clip("face_noface"), upscale__enabled=True, upscale__max_seconds=2)

    assert float(str(refused.value.facts["estimated_seconds"])) > 2
    assert "minutes" in refused.value.message
    assert not (bench.scratch / "mezzanine.mp4").exists()


def test_speech_loses_its_noise_and_keeps_its_words_and_its_time(bench: Bench, models: ModelStore) -> None:
    picture = ("-f", "lavfi", "-i", "color=gray:s=64x64:r=10:d=8")
    source = bench.make("clean.mp4", *picture, "-t", "8", "-i", clip("two_cities"), "-ac", "1", *x264(10))
    hiss = ("-f", "lavfi", "-i", "anoisesrc=color=pink:amplitude=0.06:seed=5:d=8")
    mixed = ("-filter_complex", "[0:a][1:a]amix=inputs=2:normalize=0[a]", "-map", "0:v", "-map", "[a]")
    noisy = bench.make("noisy.mp4", "-i", source, *hiss, *mixed, "-c:v", "copy", "-c:a", "flac", "-strict", "-2")

    target, _ = bench.prepare(noisy, speech__clean_up=True)

    clean, before, after = (sound_of(path) for path in (source, noisy, target))
    assert ratio_db(clean, after) > ratio_db(clean, before) + 6
    assert abs(delay_samples(clean, after)) <= 480
    said, heard = (transcribe(path, models.path("whisper-base"), language="en", threads=2) for path in (source, target))
    assert word_error_rate(join_words(heard.words), join_words(said.words)) <= 0.05


def sound_of(path: Path) -> np.ndarray:
    command = [TOOLS.ffmpeg, "-v", "error", "-i", path, "-f", "f32le", "-ac", "1", "-ar", "48000", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, dtype=np.float32)[: 7 * 48_000].astype(np.float64)


def ratio_db(clean: np.ndarray, heard: np.ndarray) -> float:
    """Signal to noise, whatever the volume."""
    wanted = clean * (heard @ clean) / (clean @ clean)
    return float(10 * np.log10((wanted @ wanted) / ((heard - wanted) @ (heard - wanted))))


def delay_samples(clean: np.ndarray, heard: np.ndarray) -> int:
    spectrum = np.fft.rfft(heard, 2**20) * np.conj(np.fft.rfft(clean, 2**20))
    lag = int(np.fft.irfft(spectrum).argmax())
    return lag if lag < 2**19 else lag - 2**20


WORDS = (Word("Hello", 1.0, 1.4), Word("there,", 1.6, 2.0), Word("world.", 2.0, 2.4))


def test_karaoke_is_seen_when_it_is_said(bench: Bench) -> None:
    source = bench.make("grey.mp4", "-f", "lavfi", "-i", "color=gray:s=320x180:r=10:d=4", *x264(10))
    transcript = Transcript(language="en", language_probability=1, words=WORDS, duration_seconds=4, model="none")

    target, _ = bench.prepare(source, transcript, burn_in__style="karaoke", burn_in__size=0.1)

    lit = np.array([float(yellow(picture).mean()) for picture in frames(target)])
    shown = np.array([picture.max() > 200 for picture in frames(target)])
    assert not shown[:9].any()
    assert shown[11:23].all()
    assert not shown[35:].any()
    assert lit[10] < lit[14] < lit[20] < lit[24]
    assert lit[14] == pytest.approx(lit[15], rel=0.15)  # nothing is said between 1.4 and 1.6 s


def yellow(picture: Picture) -> np.ndarray:
    blue, green, red = (picture[..., channel].astype(int) for channel in range(3))
    return (red > 180) & (green > 140) & (blue < 120)


def test_the_sound_for_the_speech_model_is_in_step_with_the_picture(bench: Bench) -> None:
    source = bench.make(
        "late.mp4",
        *("-f", "lavfi", "-i", "color=gray:s=64x64:r=10:d=2", "-f", "lavfi", "-i", "sine=d=2", "-shortest"),
    )
    facts: SourceFacts = probe(source, TOOLS)

    written = write_sound(Clip(source, facts), bench.scratch / "sound.wav", bench.bench)

    with av.open(str(written)) as container:
        assert container.duration is not None
        assert container.duration / av.time_base == pytest.approx(facts.duration_seconds, abs=0.01)


TEXT = "The bees wake up at dawn. They fly to the clover."


@pytest.mark.parametrize("has_sound", [True, False])
def test_a_voice_reads_a_text_over_the_sound(bench: Bench, models: ModelStore, has_sound: bool) -> None:
    tone = ("-f", "lavfi", "-i", "sine=frequency=300:sample_rate=48000", "-c:a", "aac") if has_sound else ()
    source = bench.make("tone.mp4", "-f", "lavfi", "-i", "testsrc2=size=192x108", *tone, "-t", "7", *x264(10))

    target, after = bench.prepare(source, voice_over__text=TEXT, voice_over__start_seconds=1.5)

    heard = transcribe(target, models.path("whisper-base"), threads=2)
    assert word_error_rate(join_words(heard.words), TEXT) == 0
    assert abs(heard.words[0].start_seconds - 1.5) < 0.4
    assert after.facts.audio is not None
    assert "reads 11 words" in bench.notes[0]
    if has_sound:
        assert level(target, 300, 0.2, 1.3) > 2 * level(target, 300, 2.0, 3.0) > 0


def test_a_text_that_takes_longer_than_the_video_is_refused(bench: Bench) -> None:
    source = bench.make("short.mp4", "-f", "lavfi", "-i", "testsrc2=size=192x108", "-t", "2", *x264(10))

    with pytest.raises(VoiceOverTooLongError, match=r"lasts 2\.0 s.*Shorten"):
        bench.prepare(source, voice_over__text=TEXT)


def level(path: Path, hertz: float, begin: float, end: float) -> float:
    """How loud a tone is in a stretch of a video's sound."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=16_000)
        blocks = [each.to_ndarray()[0] for frame in container.decode(audio=0) for each in resampler.resample(frame)]
    samples = np.concatenate(blocks)[round(begin * 16_000) : round(end * 16_000)]
    turns = np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / 16_000)
    return float(abs(np.mean(samples * turns)))
