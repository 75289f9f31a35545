"""Users: one of each name, and always an admin left."""

import pytest

from data.database import Database
from data.domain.errors import IllegalMoveError, NameTakenError, NotFoundError
from data.domain.identity import Role, User
from data.repositories import UserRepository


def create(database: Database, name: str, role: Role = Role.VIEWER) -> User:
    with database.session() as session:
        return UserRepository(session).create(name, f"hash of {name}", role)


def read(database: Database, user: User) -> User:
    with database.session() as session:
        return UserRepository(session).get(user.id)


def test_a_name_is_taken_once(database: Database) -> None:
    ann = create(database, "ann")

    with pytest.raises(NameTakenError):
        create(database, "ann")
    assert read(database, ann) == ann


def test_users_are_listed_page_by_page(database: Database) -> None:
    made = [create(database, f"user-{number}").id for number in range(5)]

    seen: list[str] = []
    before = None
    while True:
        with database.session() as session:
            page = UserRepository(session).page(before=before, limit=2)
        if not page:
            break
        seen += [user.id for user in page]
        before = page[-1].created_at, page[-1].id

    assert sorted(seen) == sorted(made)


def test_the_last_admin_who_can_log_in_stays(database: Database) -> None:
    ann, bob = create(database, "ann", Role.ADMIN), create(database, "bob", Role.ADMIN)
    with database.session() as session:
        UserRepository(session).disable(bob.id)

    with pytest.raises(IllegalMoveError), database.session() as session:
        UserRepository(session).set_role(ann.id, Role.VIEWER)
    with pytest.raises(IllegalMoveError), database.session() as session:
        UserRepository(session).disable(ann.id)
    with database.session() as session:
        UserRepository(session).enable(bob.id)
        UserRepository(session).disable(ann.id)

    assert read(database, ann).disabled_at is not None


def test_a_new_password_begins_a_new_epoch_of_tokens(database: Database) -> None:
    ann = create(database, "ann")
    with database.session() as session:
        UserRepository(session).set_password(ann.id, "another hash")
        kept = UserRepository(session).password_hash(ann.id)

    assert (kept, read(database, ann).token_epoch) == ("another hash", 1)


def test_who_is_not_there_cannot_be_changed(database: Database) -> None:
    with pytest.raises(NotFoundError), database.session() as session:
        UserRepository(session).set_password("nobody", "hash")
