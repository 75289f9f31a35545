"""How copies stand, on each kind of database."""

from datetime import UTC, datetime, timedelta

from data.database import Database
from data.domain.copies import CopyState, TargetCopy, copy_of
from data.domain.targets import PublishTarget
from data.repositories import CopyRepository
from tests.data.samples import sample_asset, sample_manifest

ASSET = sample_asset()
CDN = PublishTarget(name="cdn", url="s3://cdn")


def after(minutes: float) -> datetime:
    """Return a time from now on; the test may have been collected minutes ago."""
    return datetime.now(UTC) + timedelta(minutes=minutes)


def copy(version: int = 1, target: PublishTarget = CDN) -> TargetCopy:
    return copy_of(sample_manifest(ASSET, version, f"job-{version:04d}"), target, f"job-{version:04d}")


def states(copies: CopyRepository) -> dict[int, CopyState]:
    return {each.version: each.state for each in copies.of_asset(ASSET.id)}


def test_a_copy_is_wanted_there_superseded_and_gone(database: Database) -> None:
    with database.session() as session:
        copies = CopyRepository(session)
        copies.want([copy(1)])
        assert copies.there(copy(1), 10, 2) == ()
        copies.want([copy(1)])  # as it is already
        copies.want([copy(2)])
        assert states(copies) == {1: CopyState.THERE, 2: CopyState.WANTED}

        superseded = copies.there(copy(2), 10, 2)
        assert superseded is not None
        assert [each.version for each in superseded] == [1]
        assert copies.there(copy(2), 10, 2) == ()  # two processes made it

        assert [each.version for each in copies.of_age(after(1), None)] == [1]
        copies.withdraw(copy(1))
        assert [each.version for each in copies.due(after(1))] == [1]
        copies.gone(copy(2))  # it is not to go
        copies.gone(copy(1))
        assert states(copies) == {2: CopyState.THERE}


def test_what_was_begun_for_a_target_gives_way_to_what_is_wanted_now(database: Database) -> None:
    other = PublishTarget(name="other", url="s3://other")
    with database.session() as session:
        copies = CopyRepository(session)
        copies.want([copy(1), copy(1, other)])
        copies.want([copy(2)])

        found = {(each.version, each.target.name): each.state for each in copies.of_asset(ASSET.id)}
        assert found == {
            (1, "cdn"): CopyState.WITHDRAWING,
            (1, "other"): CopyState.WANTED,
            (2, "cdn"): CopyState.WANTED,
        }
        assert copies.there(copy(1), 1, 1) is None


def test_a_failure_is_told_and_tried_again_when_it_is_time(database: Database) -> None:
    with database.session() as session:
        copies = CopyRepository(session)
        copies.want([copy(1)])
        copies.withdraw_all(ASSET.id)
        copies.failed(copy(1), "The target is away.", after(60))

        assert copies.due(after(59)) == ()
        [late] = copies.due(after(61))
        assert (late.tries, late.error) == (1, "The target is away.")
        assert copies.of_job("job-0001") == (late,)
