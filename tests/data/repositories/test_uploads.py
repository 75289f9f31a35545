from datetime import UTC

import pytest

from data.database import Database
from data.domain.errors import NotFoundError
from data.repositories import UploadRepository, UploadState


def test_an_upload_goes_from_receiving_to_complete(database: Database) -> None:
    with database.session() as session:
        begun = UploadRepository(session).create("u1", key="uploads/u1/x", original_name="x\0\udcff.mp4")
    with database.session() as session:
        UploadRepository(session).complete("u1", size_bytes=6_000_000_000, sha256="a" * 64)
    with database.session() as session:
        done = UploadRepository(session).get("u1")

    assert (begun.state, begun.size_bytes, begun.original_name) == (UploadState.RECEIVING, None, "x?.mp4")
    assert (done.state, done.size_bytes, done.sha256) == (UploadState.COMPLETE, 6_000_000_000, "a" * 64)
    assert done.created_at == begun.created_at
    assert done.created_at.tzinfo is UTC


def test_an_unknown_upload_is_not_found(database: Database) -> None:
    with pytest.raises(NotFoundError), database.session() as session:
        UploadRepository(session).get("unknown")
    with pytest.raises(NotFoundError), database.session() as session:
        UploadRepository(session).complete("unknown", size_bytes=1, sha256="a")


def test_of_many_ids_the_contents_of_the_complete_ones_are_found_at_once(database: Database) -> None:
    with database.session() as session:
        uploads = UploadRepository(session)
        for name in ("a", "b", "c"):
            uploads.create(name, key=f"uploads/{name}/x", original_name="x")
        for name in ("a", "c"):
            uploads.complete(name, size_bytes=1, sha256="0" * 64)

    with database.session() as session:
        found = UploadRepository(session).contents(["a", "b", "c", "", *map(str, range(2500))])

    assert found == dict.fromkeys("ac", "0" * 64)


def test_an_upload_is_its_owners_alone(database: Database) -> None:
    with database.session() as session:
        UploadRepository(session).create("a", key="uploads/a", original_name="a.mp4", owner="ann")
        UploadRepository(session).complete("a", size_bytes=1, sha256="0")

    with database.session() as session:
        uploads = UploadRepository(session)
        assert uploads.get("a", "ann") == uploads.get("a")
        assert (uploads.contents(["a"], "ann"), uploads.contents(["a"], "bob")) == ({"a": "0"}, {})
        with pytest.raises(NotFoundError):
            uploads.get("a", "bob")
