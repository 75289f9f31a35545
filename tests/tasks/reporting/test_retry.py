from pathlib import Path

from data.domain.retries import RetryFilter
from data.manifests import open_manifest
from tasks.reporting.retry import write_retry
from tests.fakes.nights import failed_item, sample_item


def test_the_rows_to_try_again_make_a_manifest_like_the_input(tmp_path: Path) -> None:
    path, target = tmp_path / "input.csv", tmp_path / "retry.csv"
    path.write_text("Note;source\nfirst;a\nsecond;b\n=third;c\nfourth;d\n")
    items = [
        sample_item(1),
        failed_item(2, "INFRA.DISK.FULL"),
        failed_item(3, "DATA.INPUT.CORRUPT"),
        sample_item(4, "cancelled"),
    ]

    assert write_retry(open_manifest(path), items, RetryFilter(), target) == 3
    assert target.read_text("utf-8-sig").splitlines() == ["Note;source", "second;b", "=third;c", "fourth;d"]
    assert write_retry(open_manifest(path), items, RetryFilter(classes=("INFRA",)), target) == 1
    assert target.read_text("utf-8-sig").splitlines() == ["Note;source", "second;b"]
