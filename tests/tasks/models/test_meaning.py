from pathlib import Path

import pytest

from data.domain.errors import ModelMissingError
from tasks.models.meaning import meanings
from tasks.models.store import ModelStore


def test_texts_that_mean_alike_are_near(models: ModelStore) -> None:
    cat, kitten, invoice = meanings(["a cat sleeps", "the kitten is napping", "pay the invoice"], models.path("minilm"))

    assert cat @ cat == pytest.approx(1, abs=1e-3)
    assert cat @ kitten > cat @ invoice + 0.3


def test_no_texts_give_no_vectors(models: ModelStore) -> None:
    assert meanings([], models.path("minilm")).shape == (0, 384)


def test_missing_weights_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match="pull minilm"):
        meanings(["a"], tmp_path)
