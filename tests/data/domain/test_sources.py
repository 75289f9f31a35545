from pathlib import Path

import pytest

from data.domain.errors import SourceForbiddenError, SourceInvalidError
from data.domain.sources import SourceKind, SourceRules, file_name

RULES = SourceRules(allowed_roots=(Path("/srv/media"),), s3_buckets=("camera",))


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/srv/media/a film #1?.mp4", "a film #1?.mp4"),
        ("https://media.example/films/clip.mp4?token=secret#t=3", "clip.mp4"),
        ("https://media.example", ""),
        ("upload:0f8c2d", ""),
        ("s3://camera/night/a#1?.mp4", "a#1?.mp4"),
        ("https://[", ""),
        ("", ""),
    ],
)
def test_a_source_is_called_as_its_file(source: str, name: str) -> None:
    assert file_name(source) == name


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("/srv/media/a b.mp4", SourceKind.LOCAL),
        ("/srv/media//night/./a.mp4", SourceKind.LOCAL),
        ("upload:0f8c2d", SourceKind.UPLOAD),
        ("https://media.example/a.mp4?token=x", SourceKind.WEB),
        ("s3://camera/night/a b.mp4", SourceKind.S3),
    ],
)
def test_sources_are_told_apart_by_how_they_begin(source: str, kind: SourceKind) -> None:
    assert RULES.check(source) is kind


@pytest.mark.parametrize(
    "source", ["/etc/passwd", "/srv/media/../x", "/srv/media2/x", "/srv/media/a\nb", "/", "s3://private/a.mp4"]
)
def test_what_lies_elsewhere_is_forbidden(source: str) -> None:
    with pytest.raises(SourceForbiddenError):
        RULES.check(source)


@pytest.mark.parametrize(
    "source",
    ["", "a.mp4", "ftp://x/y", "http://x/y", "https://", "https://u:p@x/y", "https://[", "https://x/a b", "s3://camera",
     "s3://camera/", "s3://camera/folder/", "s3:///a", "S3://camera/a", "https://x/" + "a" * 4096],
)  # fmt: skip
def test_what_is_no_source_is_invalid(source: str) -> None:
    with pytest.raises(SourceInvalidError):
        RULES.check(source)


def test_http_is_taken_only_where_it_is_allowed() -> None:
    assert SourceRules(allow_http=True).check("http://127.0.0.1:8000/a.mp4") is SourceKind.WEB


def test_a_root_may_be_reached_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "media")
    rules = SourceRules(allowed_roots=(tmp_path / "media",))

    assert rules.check(f"{tmp_path}/link/a.mp4") is SourceKind.LOCAL
