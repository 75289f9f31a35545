import numpy as np

from data.domain.passages import VECTOR_LENGTH
from data.search.embedding import embed, pack, unpack

TEXTS = ("The cat sits on the mat.", "Stock prices fell sharply on Monday.", "Rain is expected in the north tomorrow.")


def test_what_means_the_same_is_nearest_whatever_its_words() -> None:
    passages = embed(TEXTS)

    questions = embed(["a pet lying on a carpet", "the market crashed", "weather forecast"])

    assert (questions @ passages.T).argmax(axis=1).tolist() == [0, 1, 2]


def test_vectors_have_length_one_and_do_not_depend_on_their_neighbours() -> None:
    together, alone = embed(TEXTS), np.concatenate([embed([text]) for text in TEXTS])

    assert together.shape == (3, VECTOR_LENGTH)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert np.array_equal(together, alone)
    assert embed([]).shape == (0, VECTOR_LENGTH)


def test_a_stored_vector_is_as_good() -> None:
    import base64

    (vector,) = embed(TEXTS[:1])

    stored = unpack(base64.b64decode(pack(vector)))

    assert stored.nbytes == 2 * VECTOR_LENGTH
    assert float(stored.astype(np.float32) @ vector) > 0.999


def test_a_text_that_is_too_long_or_empty_has_a_vector() -> None:
    assert np.isfinite(embed(["word " * 5000, "", "日本語 🎬"])).all()
