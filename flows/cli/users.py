"""``python -m flows user …``: who may log in. Works on the catalogue itself, so that there can be a first admin."""

import getpass
import sys
from typing import Annotated

from cyclopts import App, Parameter

from data.credentials import check_new_password, hash_password
from data.domain.errors import InvalidRequestError
from data.domain.identity import Role, User, folded_name
from data.repositories import UserRepository
from data.settings import get_settings
from flows.cli.catalogue import unit_of_work, user_named
from flows.cli.output import Json, complain, local_time, print_json, print_table, say

app = App(name="user", help="Keep the users, in the catalogue of the settings.")

MOST_USERS = 1000
Name = Annotated[str, Parameter(help="E-mail address or login.")]


@app.command
def create_admin(name: Name, /) -> None:
    """Make an admin. The password is asked for, or read from standard input."""
    _create(name, Role.ADMIN)


@app.command
def create(
    name: Name, /, *, role: Annotated[Role, Parameter(help="viewer reads, operator also hands in and controls.")]
) -> None:
    """Make a user. The password is asked for, or read from standard input."""
    _create(name, role)


@app.command(name="list")
def list_users(*, as_json: Json = False) -> None:
    """List the users, the latest first."""
    with unit_of_work() as session:
        users = UserRepository(session).page(limit=MOST_USERS)
    if as_json:
        print_json([user.model_dump(mode="json", exclude={"token_epoch"}) for user in users])
        return
    print_table(("ID", "NAME", "ROLE", "CREATED", "STATE"), [_row(user) for user in users])


@app.command
def disable(name: Name, /) -> None:
    """Let a user in no more: their logins end, their keys stop."""
    with unit_of_work() as session:
        UserRepository(session).disable(user_named(session, name).id)


@app.command
def enable(name: Name, /) -> None:
    """Let a user in again who was disabled."""
    with unit_of_work() as session:
        UserRepository(session).enable(user_named(session, name).id)


@app.command
def set_role(name: Name, role: Role, /) -> None:
    """Change what a user may do; their tokens and keys follow within seconds."""
    with unit_of_work() as session:
        UserRepository(session).set_role(user_named(session, name).id, role)


@app.command
def set_password(name: Name, /) -> None:
    """Give a user another password, which is asked for or read from standard input. Their logins end."""
    password_hash = _hashed(_password())
    with unit_of_work() as session:
        UserRepository(session).set_password(user_named(session, name).id, password_hash)


def _create(name: str, role: Role) -> None:
    try:
        folded = folded_name(name)
    except ValueError as error:
        raise InvalidRequestError(f"{name!r} is no name: {error}.", {"field": "name"}) from error
    password_hash = _hashed(_password())
    with unit_of_work() as session:
        user = UserRepository(session).create(folded, password_hash, role)
    say(user.id)


def _password() -> str:
    """Ask for a password at a terminal, twice; else take a line of standard input. Never an argument: others see those.

    Raises:
        InvalidRequestError: The two are not the same.
    """
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        complain("Those are two passwords.")
        raise InvalidRequestError("Nothing was changed.", {"field": "password"})
    return password


def _hashed(password: str) -> str:
    check_new_password(password, get_settings().auth.min_password_characters)
    return hash_password(password)


def _row(user: User) -> tuple[str, ...]:
    state = f"disabled {local_time(user.disabled_at.isoformat())}" if user.disabled_at else "active"
    return user.id, user.name, user.role.value, local_time(user.created_at.isoformat()), state
