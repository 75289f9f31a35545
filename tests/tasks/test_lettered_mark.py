"""A watermark's text is a picture that ends where its letters do."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.domain.edits import WatermarkOptions
from data.domain.errors import EditImpossibleError
from tasks.lettered_mark import write_lettered_mark
from tasks.models.store import ModelStore


@pytest.fixture
def models(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models", auto_pull=False)


@pytest.mark.parametrize("text", ["Dailies", "  © Dailies 2026 ", "W" * 200, "two\nlines"])
def test_it_is_one_line_in_its_colour_without_anything_around(text: str, models: ModelStore, tmp_path: Path) -> None:
    drawn = write_lettered_mark(WatermarkOptions(text=text, text_rgb="#102030"), tmp_path / "text.png", models)

    with Image.open(tmp_path / "text.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (drawn.size[1], drawn.size[0], 4)
    assert np.unique(pixels[..., :3].reshape(-1, 3), axis=0).tolist() == [[0x10, 0x20, 0x30]]
    alpha = pixels[..., 3]
    assert alpha.max() == 255
    for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]):
        assert edge.any()
    assert drawn.size[0] > drawn.size[1]


def test_the_same_text_is_the_same_file(models: ModelStore, tmp_path: Path) -> None:
    one, same, other = (
        write_lettered_mark(WatermarkOptions(text=text), tmp_path / "text.png", models).sha256
        for text in ("Dailies", "Dailies", "dailies")
    )

    assert one == same != other


def test_what_nothing_can_be_drawn_of_is_refused(models: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(EditImpossibleError, match=r"edit\.watermark\.text"):
        write_lettered_mark(WatermarkOptions(text="\u200b\u200d"), tmp_path / "text.png", models)
