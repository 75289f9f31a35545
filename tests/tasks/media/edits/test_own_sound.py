from pathlib import Path

from tests.fakes.footage import edited, keeps_its_promise, make_clip


def test_what_is_muted_has_no_sound_at_all(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "clip.mkv", "testsrc2=s=64x48:r=25:d=0.4", "sine=d=0.4")

    made, shape = edited(source, {"sound": {"mode": "mute"}})

    assert keeps_its_promise(made, shape)
    assert not shape.has_sound
    assert made.sound is None
