from pathlib import Path

import cv2
import numpy as np
import pytest

from data.domain.errors import ModelMissingError
from tasks.models.cutout import saliency
from tasks.models.store import ModelStore
from tests.fakes.clips import clip


def test_the_subject_of_a_picture_stands_out(models: ModelStore) -> None:
    image = cv2.imread(str(clip("cheetah")))
    assert image is not None

    mask = saliency(image, models.path("u2netp"))

    height, width = image.shape[:2]
    middle = mask[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4]
    corners = np.concatenate([mask[: height // 10, : width // 10], mask[: height // 10, -width // 10 :]], axis=None)
    assert mask.shape == (height, width)
    assert mask.dtype == np.float32
    assert 0 <= mask.min() <= mask.max() <= 1
    assert middle.mean() > 4 * corners.mean()


def test_a_missing_model_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match="pull u2netp"):
        saliency(np.zeros((8, 8, 3), dtype=np.uint8), tmp_path)
