from pathlib import Path

import pytest

from data.domain.errors import StoreUnavailableError
from data.domain.keys import package_pieces_prefix
from data.storage import ObjectStore, open_store
from tasks.chunk_store import ChunkStore
from tasks.media.chunks import Piece
from tasks.media.pieces import MadePiece, PieceAccount

PIECE = Piece("sound", 4.0, None)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(f"file://{tmp_path}/store")


@pytest.fixture
def kept(store: ObjectStore) -> ChunkStore:
    return ChunkStore(store, "a" * 24, "key")


def keep(kept: ChunkStore, directory: Path, data: bytes = b"aac") -> MadePiece:
    directory.mkdir(exist_ok=True)
    (directory / "sound.mp4").write_bytes(data)
    account = PieceAccount(files={"sound.mp4": len(data)}, threads=1, cpu_seconds=0.5, frame_counts={})
    kept.keep(PIECE.name, account, directory)
    return MadePiece(PIECE, account)


def test_a_finished_piece_is_found_and_brought(kept: ChunkStore, tmp_path: Path) -> None:
    assert kept.find(PIECE.name) is None

    made = keep(kept, tmp_path / "made")

    assert kept.find(PIECE.name) == made.account
    assert kept.bring(made, "sound.mp4", tmp_path / "brought").read_bytes() == b"aac"
    assert list((tmp_path / "made").iterdir()) == []


def test_a_piece_without_all_of_its_files_is_not_there(kept: ChunkStore, store: ObjectStore, tmp_path: Path) -> None:
    keep(kept, tmp_path / "made")
    (media,) = (each.key for each in store.list("packages/") if each.key.endswith("sound.mp4"))

    store.delete(media)

    assert kept.find(PIECE.name) is None


def test_a_record_of_another_version_of_ours_is_none(kept: ChunkStore, store: ObjectStore, tmp_path: Path) -> None:
    keep(kept, tmp_path / "made")

    store.put_bytes(b'{"prefix": "x/", "colour": "red"}', package_pieces_prefix("a" * 24, "key") + "sound/record.json")

    assert kept.find(PIECE.name) is None


def test_two_who_make_the_same_piece_each_go_on_with_their_own(
    kept: ChunkStore, store: ObjectStore, tmp_path: Path
) -> None:
    other = ChunkStore(store, "a" * 24, "key")
    first = keep(kept, tmp_path / "made", b"one")
    second = keep(other, tmp_path / "made", b"other")

    assert kept.bring(first, "sound.mp4", tmp_path / "brought").read_bytes() == b"one"
    assert other.bring(second, "sound.mp4", tmp_path / "brought-too").read_bytes() == b"other"
    assert ChunkStore(store, "a" * 24, "key").find(PIECE.name) == second.account


def test_pieces_are_gone_once_the_package_is_whole(kept: ChunkStore, store: ObjectStore, tmp_path: Path) -> None:
    made = keep(kept, tmp_path / "made")
    store.put_bytes(b"x", "packages/" + "a" * 24 + "/key/attempt/video.mp4")

    kept.clear()

    assert [each.key for each in store.list(package_pieces_prefix("a" * 24, "key"))] == []
    assert len(list(store.list("packages/"))) == 1
    with pytest.raises(StoreUnavailableError) as caught:  # the next try finds the package
        kept.bring(made, "sound.mp4", tmp_path / "brought")
    assert caught.value.retryable
