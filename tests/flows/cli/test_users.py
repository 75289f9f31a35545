"""``python -m flows user`` and ``key``: on the catalogue itself, before anybody can log in."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data.credentials import check_password, sha256_of
from data.database import Database
from data.domain.identity import Role, Scope
from data.repositories import ApiKeyRepository, UserRepository
from data.settings import get_settings
from flows.__main__ import main

PASSWORD = "correct horse battery staple"

Run = Callable[..., int]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("DAILIES_HOME", str(tmp_path))
    get_settings.cache_clear()
    opened = Database(get_settings().catalogue_url)
    yield opened
    opened.close()
    get_settings.cache_clear()


@pytest.fixture
def run(database: Database, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that carries out a command, with a line on standard input."""

    def carried_out(*arguments: str, line: str = PASSWORD) -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(line + "\n"))
        return main(arguments)

    return carried_out


def test_the_first_admin_is_made_with_a_password_from_standard_input(run: Run, database: Database) -> None:
    assert run("user", "create-admin", "Ann@Example.com") == 0

    with database.session() as session:
        user = UserRepository(session).named("ann@example.com")
        assert user is not None
        assert user.role is Role.ADMIN
        assert check_password(PASSWORD, UserRepository(session).password_hash(user.id)).is_right


@pytest.mark.parametrize(
    ("arguments", "line", "complaint"),
    [
        (("create-admin", "ann"), "short", "12 to 1000 characters"),
        (("create-admin", "a b"), PASSWORD, "no spaces"),
        (("disable", "nobody"), "", "no user 'nobody'"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    run: Run, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], line: str, complaint: str
) -> None:
    assert run("user", *arguments, line=line) == 1
    assert complaint in capsys.readouterr().err


def test_users_are_kept(run: Run, database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    run("user", "create-admin", "ann")
    run("user", "create", "bob", "--role", "operator")
    assert run("user", "create", "bob", "--role", "viewer") == 1

    assert run("user", "set-role", "bob", "viewer") == 0
    assert run("user", "set-password", "bob", line="quite another password") == 0
    assert run("user", "disable", "bob") == 0

    capsys.readouterr()
    run("user", "list", "--json")
    users = {user["name"]: user for user in json.loads(capsys.readouterr().out)}
    assert (users["bob"]["role"], users["ann"]["role"]) == ("viewer", "admin")
    assert users["bob"]["disabled_at"]
    assert run("user", "enable", "bob") == 0


@pytest.mark.parametrize("arguments", [("disable", "ann"), ("set-role", "ann", "viewer")])
def test_the_last_admin_stays(run: Run, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    run("user", "create-admin", "ann")

    assert run("user", *arguments) == 1
    assert "last admin" in capsys.readouterr().err


def test_keys_are_made_and_revoked(run: Run, database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    run("user", "create", "bob", "--role", "operator")
    capsys.readouterr()

    assert run("key", "create", "bob", "import", "--scope", "write", "--days", "30") == 0

    secret = capsys.readouterr().out.strip()
    with database.session() as session:
        found = ApiKeyRepository(session).use(sha256_of(secret))
    assert found is not None
    key, user = found
    assert (user.name, key.scopes) == ("bob", (Scope.WRITE,))
    assert key.expires_at is not None
    assert run("key", "create", "bob", "more", "--scope", "admin") == 1
    assert run("key", "revoke", key.id) == 0
    capsys.readouterr()
    run("key", "list", "bob")
    shown = capsys.readouterr().out
    assert "revoked" in shown
    assert secret not in shown
