import cv2
import numpy as np
import pytest

from tasks.models.analysis.detections import look_at, looks_at, tiny_bgr
from tasks.models.analysis.plan import Sampled
from tests.fakes.looks import textured


def handful(size: tuple[int, int], *, is_small: bool) -> list[Sampled]:
    pictures = [cv2.GaussianBlur(textured(*size, seed=seed), (5, 5), 0) for seed in range(5)]
    given = [
        np.asarray(cv2.cvtColor(each, cv2.COLOR_BGR2YUV_I420) if is_small else each, np.uint8) for each in pictures
    ]
    return [Sampled(number, number / 10, each) for number, each in enumerate(given)]


@pytest.mark.parametrize("is_small", [True, False])
@pytest.mark.parametrize("size", [(256, 192), (256, 144), (256, 106), (142, 256), (64, 48)])
def test_frames_that_are_taken_together_look_as_each_alone(size: tuple[int, int], is_small: bool) -> None:
    frames = handful(size, is_small=is_small)

    together, alone = looks_at(frames), [look_at(each) for each in frames]

    for one, other in zip(together, alone, strict=True):
        assert (one.frame, one.at_seconds) == (other.frame, other.at_seconds)
        for of in ("bgr", "planes", "grey", "half", "quarter", "cells"):
            assert np.array_equal(getattr(one, of), getattr(other, of)), of
    assert np.array_equal(tiny_bgr(together), np.concatenate([tiny_bgr([each]) for each in alone]))
