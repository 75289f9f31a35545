from pathlib import Path

import orjson

from tasks.bulk.folders import look_around, open_to_write, write_listing


def make(path: Path, content: bytes = b"video") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return str(path)


def test_videos_are_found_in_sub_folders_but_not_through_links(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    wanted = [make(folder / "a.mp4"), make(folder / "quick" / "b.mov")]
    make(folder / "c.mp4.part")
    make(folder / "empty.mp4", b"")
    make(folder / ".hidden" / "d.mp4")
    make(tmp_path / "elsewhere.mp4")
    (folder / "link.mp4").symlink_to(tmp_path / "elsewhere.mp4")

    assert sorted(look_around(folder)) == wanted


def test_a_file_that_somebody_writes_is_told(tmp_path: Path) -> None:
    written, read = make(tmp_path / "a.mp4"), make(tmp_path / "b.mp4")

    with Path(written).open("ab"), Path(read).open("rb"):
        assert open_to_write([written, read]) == {written}
    assert open_to_write([written, read]) == frozenset()


def test_a_listing_is_a_manifest(tmp_path: Path) -> None:
    paths = [make(tmp_path / "in" / "a.mp4"), make(tmp_path / "in" / "quick" / "b.mov")]
    target = tmp_path / "listing.jsonl"

    count = write_listing(tmp_path / "in", paths, frozenset({"quick"}), "", target)

    rows = [orjson.loads(line) for line in target.read_bytes().splitlines()]
    assert count == 2
    assert rows == [{"source": paths[0]}, {"source": paths[1], "recipe": "quick"}]
