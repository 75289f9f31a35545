import subprocess
from pathlib import Path

import pytest

from data.domain.edits import LoudnessOptions
from data.domain.recipes import Recipe
from tasks.media.edits import loudness
from tasks.media.edits.loudness import Gain, Loudness
from tasks.media.first_passes import FirstPasses, loudness_arguments
from tasks.media.measures import parse_log
from tasks.media.plan import plan_encode
from tasks.media.probe import probe
from tasks.media.process import Limits
from tasks.media.tools import find_tools
from tests.fakes.clips import clip
from tests.fakes.footage import OPENER, edited, make_clip
from tests.fakes.source_facts import source_facts

SPEECH = "anoisesrc=c=pink:a=0.3:r=48000:d=4:seed=7,tremolo=f=2:d=0.6"
# Pink noise has peaks about 13 dB above its loudness.
HARSH = "anoisesrc=c=pink:a=0.1:r=48000:d=4:seed=7"
CLICKS = "aevalsrc='if(lt(mod(t,0.5),0.002),0.9*sin(2*PI*900*t),0.01*sin(2*PI*300*t))':s=48000:d=4"


def measured(source: Path, raw: dict[str, object]) -> tuple[Loudness, tuple[str, ...]]:
    """Return how loud a source is after edits, and what was said of it."""
    facts = probe(source, find_tools())
    recipe = Recipe.parse({"edit": raw})
    plan = plan_encode(facts, recipe)
    findings = FirstPasses(source, facts, plan, OPENER, source.parent, find_tools(), Limits()).findings()
    made, _ = edited(source, raw, findings=findings)
    assert made.sound is not None
    samples = source.parent / "made.f32"
    made.sound.tofile(samples)
    command = [find_tools().ffmpeg, "-hide_banner", "-f", "f32le", "-ar", "48000", "-ac", "2", "-i", samples]
    command += ["-af", "ebur128=peak=true:framelog=quiet", "-f", "null", "-"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stderr
    log = parse_log(said.splitlines())
    return Loudness(log.loudness_lufs, log.true_peak_dbtp), findings.notes


@pytest.mark.parametrize("target", [-14, -23, -30])
def test_the_whole_is_as_loud_as_the_target(tmp_path: Path, target: float) -> None:
    source = make_clip(tmp_path / "clip.mkv", "testsrc2=s=64x48:r=5:d=4", SPEECH, "-c:v", "ffv1", "-c:a", "flac")

    found, notes = measured(source, {"loudness": {"target_lufs": target}})

    assert found.integrated_lufs == pytest.approx(target, abs=0.5)
    assert found.true_peak_dbtp is not None
    assert found.true_peak_dbtp <= -1
    assert f"to {target}.0 LUFS" in notes[0]


def test_what_is_measured_is_the_edited_sound(tmp_path: Path) -> None:
    sound = f"{SPEECH},volume='if(lt(t,2),0.05,1)':eval=frame"
    source = make_clip(tmp_path / "clip.mkv", "testsrc2=s=64x48:r=5:d=4", sound, "-c:v", "ffv1", "-c:a", "flac")

    found, _ = measured(source, {"trim": {"end_seconds": 1.8}, "speed": 1.5, "loudness": {"target_lufs": -20}})

    assert found.integrated_lufs == pytest.approx(-20, abs=0.5)


def test_the_target_is_reached_with_peaks_held_below_their_ceiling(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "clip.mkv", "testsrc2=s=64x48:r=5:d=4", HARSH, "-c:v", "ffv1", "-c:a", "flac")

    found, notes = measured(source, {"loudness": {"target_lufs": -11, "true_peak_dbtp": -2}})

    assert found.true_peak_dbtp is not None
    assert found.true_peak_dbtp <= -2
    assert found.integrated_lufs == pytest.approx(-11, abs=0.5)
    assert "peaks held at -2 dBTP" in notes[0]


def test_a_limiter_never_takes_more_off_the_peaks_than_is_bearable(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "clip.mkv", "testsrc2=s=64x48:r=5:d=4", CLICKS, "-c:v", "ffv1", "-c:a", "flac")

    found, notes = measured(source, {"loudness": {"target_lufs": -10}})

    assert found.integrated_lufs is not None
    assert found.integrated_lufs < -12
    assert "-10 LUFS would have taken more than 12 dB off them" in notes[0]


def test_a_real_clip_becomes_as_loud_as_the_target(tmp_path: Path) -> None:
    source = tmp_path / "clip.mp4"
    source.write_bytes(clip("bigbuckbunny").read_bytes())

    found, _ = measured(source, {"loudness": {"target_lufs": -23}, "canvas": {"short_side": 64}})

    assert found.integrated_lufs == pytest.approx(-23, abs=0.5)


@pytest.mark.parametrize(("sound", "lasts"), [("anullsrc=r=48000:d=1", 1), ("sine=d=0.2", 0.2)])
def test_silence_and_a_blink_of_sound_are_left_as_they_are(tmp_path: Path, sound: str, lasts: float) -> None:
    source = make_clip(tmp_path / "clip.mkv", f"testsrc2=s=64x48:r=25:d={lasts}", sound)

    found, notes = measured(source, {"loudness": {"target_lufs": -14}})

    assert found.integrated_lufs is None
    assert notes == ("The loudness was left as it is: the sound is silent, or too short to measure.",)


def test_a_video_without_sound_has_no_loudness(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "clip.mkv", "testsrc2=s=64x48:r=25:d=0.2")
    facts = probe(source, find_tools())
    plan = plan_encode(facts, Recipe.parse({"edit": {"loudness": {"target_lufs": -14}}}))

    findings = FirstPasses(source, facts, plan, OPENER, tmp_path, find_tools(), Limits()).findings()

    assert findings.gain is None
    assert findings.notes == ("There is no sound whose loudness could be set.",)


def test_no_picture_is_decoded_to_measure_the_sound() -> None:
    facts = source_facts()
    raw = {"loudness": {"target_lufs": -14}, "fade": {"in_seconds": 1}, "speed": 2, "crop": {"width": 0.5}}

    built = loudness_arguments(Path("/clip.mp4"), facts, plan_encode(facts, Recipe.parse({"edit": raw})), OPENER)

    graph = built[built.index("-filter_complex") + 1]
    assert "[0:1]" in graph
    assert "[0:0]" not in graph
    assert built.count("-map") == 1


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Loudness(-20, -8), Gain(6)),
        (Loudness(-20, -6), Gain(6, -1)),
        (Loudness(-9, -1), Gain(-5)),
        (Loudness(None, None), Gain(0)),
    ],
)
def test_peaks_decide_whether_one_gain_is_enough(found: Loudness, expected: Gain) -> None:
    assert loudness.gain(LoudnessOptions(target_lufs=-14), found) == expected
