import numpy as np
import pytest

from tasks.media.sampling import SampledFrame, sampled_frames
from tasks.models.moderation import moderate
from tests.fakes.clips import clip


@pytest.mark.parametrize("name", ["bikes", "single_face_video", "world"])
def test_ordinary_video_scores_low(name: str) -> None:
    found = moderate(sampled_frames(clip(name), 2.0), threads=1)

    assert found.score < 0.2
    assert len(found.scores) > 1


def test_the_worst_frames_are_kept_with_their_times_and_none_is_close_to_another() -> None:
    found = moderate(sampled_frames(clip("trailer_bbb"), 4.0), threads=1)  # drawn fur, which the model takes for skin

    times = [scored.at_seconds for scored, _ in found.worst]
    scores = [scored.score for scored, _ in found.worst]
    assert found.score > 0.5
    assert scores[0] == found.score
    assert scores == sorted(scores, reverse=True)
    assert all(abs(a - b) >= 2 for i, a in enumerate(times) for b in times[:i])
    assert {scored for scored, _ in found.worst} <= set(found.scores)


def test_a_video_without_frames_scores_nothing() -> None:
    assert moderate([], threads=1).score == 0.0
    assert moderate([SampledFrame(0.0, np.zeros((2, 2, 3), np.uint8))], threads=1).score < 0.2
