"""People of the tests, who log in to a real API where everybody must."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from data.credentials import hash_password
from data.database import Database
from data.domain.identity import Role, User
from data.repositories import UserRepository

BASE = "/api/v1"
PASSWORD = "correct horse battery staple"
PASSWORD_HASH = hash_password(PASSWORD)

_TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing is called by https, and reading the system's authorities takes each client 40 ms."""


@dataclass(frozen=True)
class Person:
    """A user with tokens."""

    user: User
    access: str
    refresh: str

    @property
    def headers(self) -> dict[str, str]:
        """How they say who they are."""
        return {"Authorization": f"Bearer {self.access}"}


def make_user(database: Database, name: str, role: Role) -> User:
    """Make a user with the password of all of them; the same name again is the same user."""
    with database.session() as session:
        users = UserRepository(session)
        return users.named(name) or users.create(name, PASSWORD_HASH, role)


def log_in(api: httpx.Client, name: str, **form: str) -> httpx.Response:
    """Ask for tokens."""
    return api.post(
        f"{BASE}/auth/token", data={"grant_type": "password", "username": name, "password": PASSWORD, **form}
    )


def person(api: httpx.Client, database: Database, name: str, role: Role) -> Person:
    """Make a user, and log them in."""
    user = make_user(database, name, role)
    tokens = log_in(api, name).raise_for_status().json()
    return Person(user, tokens["access_token"], tokens["refresh_token"])


@contextmanager
def calling(api_url: str, who: Person) -> Iterator[httpx.Client]:
    """Give a client that calls as somebody."""
    with httpx.Client(base_url=api_url, headers=who.headers, timeout=60, verify=_TRUSTS_NOBODY) as client:
        yield client
