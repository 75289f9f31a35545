from pathlib import Path

import pytest

from deployments.demo_clip import demo_clip
from tasks.models.audio import sound_seconds
from tasks.models.shots import detect_shots
from tests.fakes.clips import clip, clips_directory


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache that holds the downloads but not yet the clip made of them."""
    for name in ("bbb", "two_cities"):
        (tmp_path / name).symlink_to(clip(name).parent)
    return tmp_path


@pytest.mark.slow
def test_the_demo_clip_is_made_once_and_then_found(cache: Path) -> None:
    said: list[str] = []

    made = demo_clip(cache, say=said.append)

    assert said == ["making the demo clip: picture of Big Buck Bunny, speech of A Tale of Two Cities"]
    assert sound_seconds(made) == pytest.approx(44, abs=0.2)
    assert detect_shots(made)[-1].end_seconds >= 40
    assert demo_clip(cache, say=said.append) == made
    assert len(said) == 1
    assert sorted(path.name for path in cache.iterdir()) == ["bbb", "demo-1.mp4", "two_cities"]


def test_the_demo_and_the_tests_share_their_downloads() -> None:
    assert clips_directory() == clip("bbb").parents[1]
