"""Logins: a refresh token is good for one use, on every kind of database, also when two come at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from data.database import Database
from data.domain.identity import Role, Scope, User
from data.repositories import Refresh, TokenRepository, UserRepository
from data.tables import utc_now

MONTH = timedelta(days=30)


@pytest.fixture
def user(database: Database) -> User:
    with database.session() as session:
        return UserRepository(session).create("ann", "a hash", Role.OPERATOR)


def begin(database: Database, user: User, first: str = "first", life: timedelta = MONTH) -> str:
    with database.session() as session:
        return TokenRepository(session).begin(user.id, {Scope.READ, Scope.WRITE}, life, first).id


def rotate(database: Database, used: str, following: str) -> Refresh:
    with database.session() as session:
        return TokenRepository(session).rotate(used, following)[0]


def is_revoked(database: Database, user: User, family: str, jti: str = "one") -> bool | None:
    with database.session() as session:
        holder = TokenRepository(session).holder(user.id, family, jti, epoch=0)
    return None if holder is None else holder.is_revoked


def test_a_login_keeps_its_scopes_as_it_goes_on(database: Database, user: User) -> None:
    begin(database, user)

    with database.session() as session:
        outcome, family = TokenRepository(session).rotate("first", "second")

    assert outcome is Refresh.TAKEN
    assert family is not None
    assert (family.user_id, family.scopes) == (user.id, {Scope.READ, Scope.WRITE})


def test_the_second_use_closes_the_login(database: Database, user: User) -> None:
    family = begin(database, user)

    outcomes = [rotate(database, *each) for each in (("first", "second"), ("first", "third"), ("second", "fourth"))]

    assert outcomes == [Refresh.TAKEN, Refresh.USED_BEFORE, Refresh.CLOSED]
    assert is_revoked(database, user, family)


def test_of_two_uses_at_once_one_is_the_second(database: Database, user: User) -> None:
    begin(database, user)

    with ThreadPoolExecutor(2) as threads:
        outcomes = list(threads.map(lambda following: rotate(database, "first", following), ("second", "third")))

    assert set(outcomes) == {Refresh.TAKEN, Refresh.USED_BEFORE}


def test_what_is_not_known_or_over_is_not_taken(database: Database, user: User) -> None:
    begin(database, user, "old", life=timedelta(seconds=-1))

    assert rotate(database, "unknown", "next") is Refresh.UNKNOWN
    assert rotate(database, "old", "next") is Refresh.EXPIRED


def test_one_access_token_can_be_revoked_without_its_login(database: Database, user: User) -> None:
    family = begin(database, user)
    for _ in range(2):
        with database.session() as session:
            TokenRepository(session).revoke("one", utc_now() + MONTH)

    assert is_revoked(database, user, family, "one")
    assert is_revoked(database, user, family, "other") is False
    assert is_revoked(database, user, "no family") is None


def test_logins_that_are_over_are_forgotten(database: Database, user: User) -> None:
    begin(database, user, "old", life=timedelta(seconds=-1))
    family = begin(database, user)
    with database.session() as session:
        TokenRepository(session).forget_expired()

    assert rotate(database, "old", "next") is Refresh.UNKNOWN
    assert is_revoked(database, user, family) is False
