"""API keys: known by a hash, and used without a write for each call."""

import pytest

from data.credentials import new_key
from data.database import Database
from data.domain.errors import NotFoundError
from data.domain.identity import ApiKey, Role, Scope, User
from data.repositories import ApiKeyRepository, UserRepository


@pytest.fixture
def user(database: Database) -> User:
    with database.session() as session:
        return UserRepository(session).create("ann", "a hash", Role.ADMIN)


def create(database: Database, user: User, sha256: str, role_cap: Role | None = None) -> ApiKey:
    with database.session() as session:
        return ApiKeyRepository(session).create(
            user.id, name="import", prefix="dk_0", secret_sha256=sha256, scopes=[Scope.READ], role_cap=role_cap
        )


def use(database: Database, sha256: str) -> tuple[ApiKey, User] | None:
    with database.session() as session:
        return ApiKeyRepository(session).use(sha256)


def test_a_key_is_found_with_its_user_and_its_use_is_noted_once_a_minute(database: Database, user: User) -> None:
    made = create(database, user, "sha")

    first, second, third = (use(database, "sha") for _ in range(3))

    assert first is not None
    assert second is not None
    assert (first[0].id, first[1]) == (made.id, user)
    assert second[0].last_used_at is not None
    assert third == second
    assert use(database, "other") is None


def test_a_key_is_revoked_for_good(database: Database, user: User) -> None:
    key = create(database, user, "sha")
    with database.session() as session:
        ApiKeyRepository(session).revoke(key.id)
        first = ApiKeyRepository(session).get(key.id).revoked_at
    with database.session() as session:
        ApiKeyRepository(session).revoke(key.id)
        again = ApiKeyRepository(session).get(key.id).revoked_at

    assert first is not None
    assert again == first


def test_anothers_key_is_not_there(database: Database, user: User) -> None:
    key = create(database, user, "sha")

    with pytest.raises(NotFoundError), database.session() as session:
        ApiKeyRepository(session).get(key.id, "another")


def test_a_cap_never_raises_a_role(database: Database, user: User) -> None:
    key = create(database, user, "sha", role_cap=Role.OPERATOR)

    assert [key.acting_role(role) for role in Role] == [Role.OPERATOR, Role.OPERATOR, Role.VIEWER]
    assert key.granted(Role.ADMIN) == {Scope.READ}


def test_secrets_are_not_alike() -> None:
    keys = [new_key() for _ in range(100)]

    assert len({key.secret for key in keys}) == len({key.sha256 for key in keys}) == 100
    assert all(key.secret.startswith(key.prefix + "_") and len(key.prefix) == 11 for key in keys)
