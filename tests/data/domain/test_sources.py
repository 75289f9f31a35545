import pytest

from data.domain.sources import file_name


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/srv/media/a film #1?.mp4", "a film #1?.mp4"),
        ("https://media.example/films/clip.mp4?token=secret#t=3", "clip.mp4"),
        ("https://media.example", ""),
        ("upload:0f8c2d", ""),
        ("https://[", ""),
        ("", ""),
    ],
)
def test_a_source_is_called_as_its_file(source: str, name: str) -> None:
    assert file_name(source) == name
