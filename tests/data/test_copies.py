"""Copies that are to go, or grew old: what upkeep finds, and does again where a target was away."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data.copies import check_place, expire_copies
from data.database import Database
from data.domain.copies import CopyState
from data.domain.errors import TargetUnavailableError
from data.repositories import CopyRepository
from data.reviews import forget_asset, take_down
from tests.fakes.failing_store import FailingStore
from tests.fakes.target_world import ANN, ASSET, TargetWorld


@pytest.fixture
def kind() -> str:
    return "sqlite"


@pytest.fixture
def local(tmp_path: Path, database: Database) -> TargetWorld:
    (tmp_path / "www").mkdir()
    return TargetWorld(tmp_path, database, f"file://{tmp_path / 'www'}", {})


def test_a_folder_that_is_not_there_is_not_made(local: TargetWorld, tmp_path: Path) -> None:
    with pytest.raises(TargetUnavailableError, match="mount it"):
        check_place(f"file://{tmp_path / 'not mounted'}")
    check_place(local.url)
    check_place("s3://cdn/whatever")


def test_what_a_target_does_not_let_go_of_is_tried_again_later(local: TargetWorld) -> None:
    copy = local.copy(local.publish())
    take_down(local.store, local.database, ASSET.id, ANN)

    assert local.withdraw(FailingStore(local.target, fails_at=1)) == []
    assert local.withdraw() == []  # not yet
    with local.database.session() as session:
        known = CopyRepository(session).find(copy)
    assert known is not None
    assert (known.state, known.tries) == (CopyState.WITHDRAWING, 1)
    assert "Write 1 fails" in known.error
    assert known.due_at is not None
    assert known.due_at > datetime.now(UTC)


def test_a_deleted_asset_leaves_its_copies_known_until_they_are_gone(local: TargetWorld) -> None:
    copy = local.copy(local.publish())

    forget_asset(local.store, local.database, ASSET, "Ann", None)

    assert local.states() == [(1, "withdrawing")]
    local.withdraw()
    assert local.files(copy) == {}
    assert local.states() == []


def test_what_a_dead_job_began_goes_and_what_a_living_one_began_stays(local: TargetWorld) -> None:
    manifest = local.publish()
    copy = local.want(manifest)
    with pytest.raises(TargetUnavailableError):
        local.make(copy, manifest, FailingStore(local.target, fails_at=5))
    later = datetime.now(UTC) + timedelta(seconds=1)

    assert expire_copies(local.database, None, later, lambda _: True) == 0
    assert expire_copies(local.database, None, None, lambda _: False) == 0
    assert expire_copies(local.database, None, later, lambda _: False) == 1
    local.withdraw()
    assert local.files(copy) == {}
