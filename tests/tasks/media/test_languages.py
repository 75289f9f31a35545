import pytest

from tasks.media.languages import short_language


@pytest.mark.parametrize(
    ("tag", "expected"),
    [("eng", "en"), ("ENG", "en"), ("ger", "de"), ("en", "en"), ("por-br", "pt-BR"), ("haw", "haw")],
)
def test_a_language_takes_its_shortest_tag(tag: str, expected: str) -> None:
    assert short_language(tag) == expected
