"""The sound of the source's own part: kept, muted, replaced or mixed, always exactly as long as the picture."""

import subprocess
from pathlib import Path

import pytest

from data.domain.assets import AudioFacts
from data.domain.edits import OwnSoundOptions
from tasks.media.edits.inputs import Input
from tasks.media.edits.own_sound import applied, heard, outcome
from tasks.media.probe import probe_sound
from tests.fakes.screening import TOOLS, Seen, clip_input, footage_of, make_clip, seen

OWN_LEVEL, OTHER_LEVEL = 0.0625, 0.0625  # ffmpeg's sine, from one channel to two


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    make_clip(folder / "heard.mkv", "testsrc2=s=64x36:r=25:d=2", "sine=440:d=2:r=48000")
    make_clip(folder / "silent.mkv", "testsrc2=s=64x36:r=25:d=2")
    for name in ("tone.wav", "tone.mp3"):
        command = [TOOLS.ffmpeg, "-v", "error", "-f", "lavfi", "-i", "sine=f=1000:d=0.7:r=44100"]
        subprocess.run([*command, folder / name], check=True)
    return folder


def sound(path: Path) -> Input:
    return Input(path, "sound", "0" * 64, sound=probe_sound(path, TOOLS))


def changed(options: OwnSoundOptions, own: Path, other: Input | None, scratch: Path) -> Seen:
    footage = footage_of(own)
    after = applied(options, footage, other)
    assert after.shape == outcome(options, footage.shape)
    return seen(after, scratch / "out.mkv")


@pytest.mark.parametrize("own", ["heard.mkv", "silent.mkv"])
@pytest.mark.parametrize("name", ["tone.wav", "tone.mp3"])
def test_another_sound_takes_its_place_and_ends_in_silence(own: str, name: str, folder: Path, tmp_path: Path) -> None:
    options = OwnSoundOptions(mode="replace", source="tone", volume_db=-6)

    result = changed(options, folder / own, sound(folder / name), tmp_path)

    assert result.hertz(0.05, 0.65) == pytest.approx(1000, abs=5)
    assert result.level(0.05, 0.65) == pytest.approx(OTHER_LEVEL / 2, rel=0.06)
    assert result.level(0.8, 2) == 0


@pytest.mark.parametrize("name", ["tone.wav", "tone.mp3"])
def test_a_looped_sound_has_no_gap(name: str, folder: Path, tmp_path: Path) -> None:
    options = OwnSoundOptions(mode="replace", source="tone", loop=True)

    result = changed(options, folder / "heard.mkv", sound(folder / name), tmp_path)

    levels = [result.level(start / 100, start / 100 + 0.05) for start in range(0, 195, 5)]
    assert levels == pytest.approx([OTHER_LEVEL] * len(levels), rel=0.1)


def test_a_mix_has_both_as_loud_as_they_are(folder: Path, tmp_path: Path) -> None:
    options = OwnSoundOptions(mode="mix", source="tone", volume_db=-6, loop=True)

    result = changed(options, folder / "heard.mkv", sound(folder / "tone.wav"), tmp_path)

    both = (OWN_LEVEL**2 + (OTHER_LEVEL / 2) ** 2) ** 0.5
    assert [result.level(start, start + 0.3) for start in (0, 0.9, 1.7)] == pytest.approx([both] * 3, rel=0.03)
    assert result.hertz(0, 1.9) == pytest.approx(440, abs=3)


def test_a_loud_mix_does_not_clip(folder: Path, tmp_path: Path) -> None:
    options = OwnSoundOptions(mode="mix", source="tone", volume_db=20, loop=True)

    result = changed(options, folder / "heard.mkv", sound(folder / "tone.wav"), tmp_path)

    assert result.sound is not None
    assert 0.8 < abs(result.sound).max() < 1.0


def test_a_videos_sound_can_be_taken(folder: Path, tmp_path: Path) -> None:
    options = OwnSoundOptions(mode="replace", source="clip")

    result = changed(options, folder / "silent.mkv", clip_input(folder / "heard.mkv"), tmp_path)

    assert result.hertz(0.1, 1.9) == pytest.approx(440, abs=3)


def test_muted_is_without_sound(folder: Path, tmp_path: Path) -> None:
    assert changed(OwnSoundOptions(mode="mute"), folder / "heard.mkv", None, tmp_path).sound is None


@pytest.mark.parametrize("mode", ["replace", "mix"])
def test_another_sound_has_to_be_named(mode: str) -> None:
    with pytest.raises(ValueError, match=f"the mode {mode} needs a source"):
        OwnSoundOptions.model_validate({"mode": mode})


@pytest.mark.parametrize(
    ("mode", "own", "language"),
    [
        ("keep", "fra", "fra"),
        ("mute", "fra", None),
        ("replace", "fra", "eng"),
        ("mix", "fra", "fra"),
        ("mix", None, "eng"),
        ("keep", None, None),
    ],
)
def test_the_language_is_that_of_what_is_heard(mode: str, own: str | None, language: str | None) -> None:
    def facts(spoken: str) -> AudioFacts:
        return AudioFacts(stream_index=0, codec="aac", channels=2, sample_rate_hz=48_000, language=spoken)

    options = OwnSoundOptions.model_validate({"mode": mode, "source": "other"})
    other = Input(Path("other"), "sound", "0" * 64, sound=facts("eng"))

    found = heard(options, facts(own) if own else None, {"other": other})

    assert (found.language if found else None) == language
