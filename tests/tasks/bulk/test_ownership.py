"""Whose a batch is that the settings, a schedule or a person at Prefect name an owner for."""

import pytest

from data.domain.errors import BatchOwnerError
from data.domain.identity import LOCAL_USER, Role, User
from data.repositories import UserRepository
from tasks.bulk.ownership import account_of
from tests.fakes.bulk import BatchHouse


def make(house: BatchHouse, name: str, role: Role = Role.OPERATOR) -> User:
    with house.database.session() as session:
        return UserRepository(session).create(name, "no hash", role)


def test_an_account_is_named_by_its_address_however_it_is_written_or_its_id(house: BatchHouse) -> None:
    ann = make(house, "ann@desk.example")

    assert {account_of(name, house.database) for name in ("ann@desk.example", " Ann@Desk.Example ", ann.id)} == {ann.id}


@pytest.mark.parametrize("named", ["", LOCAL_USER])
def test_who_names_nobody_means_the_local_user(house: BatchHouse, named: str) -> None:
    assert account_of(named, house.database) == LOCAL_USER


def test_a_login_that_looks_like_the_id_of_another_is_not_taken_for_it(house: BatchHouse) -> None:
    ann = make(house, "ann")
    make(house, ann.id)

    assert account_of(ann.id, house.database) == ann.id


@pytest.mark.parametrize("named", ["nobody@desk.example", "two words", "x" * 1000, "\x00"])
def test_an_account_that_does_not_exist_owns_nothing(house: BatchHouse, named: str) -> None:
    with pytest.raises(BatchOwnerError, match="no such account"):
        account_of(named, house.database)


def test_who_may_not_hand_in_work_gets_none_done_by_the_clock_either(house: BatchHouse) -> None:
    gone, viewer = make(house, "gone"), make(house, "viewer", Role.VIEWER)
    with house.database.session() as session:
        UserRepository(session).create("admin", "no hash", Role.ADMIN)
        UserRepository(session).disable(gone.id)

    for user, why in ((gone, "disabled"), (viewer, "a viewer")):
        with pytest.raises(BatchOwnerError, match=why):
            account_of(user.id, house.database)
