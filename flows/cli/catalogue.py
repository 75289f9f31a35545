"""The catalogue of the settings, for the few commands that do not talk to the API."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from data.database import Database, migrate
from data.domain.errors import NotFoundError
from data.domain.identity import User, folded_name
from data.repositories import UserRepository
from data.settings import get_settings


@contextmanager
def unit_of_work() -> Iterator[Session]:
    """Open one unit of work in the catalogue, which is brought up to date first."""
    url = get_settings().catalogue_url
    migrate(url)
    database = Database(url)
    try:
        with database.session() as session:
            yield session
    finally:
        database.close()


def user_named(session: Session, name: str) -> User:
    """Return a user by name.

    Raises:
        NotFoundError: There is none.
    """
    users = UserRepository(session)
    try:
        found = users.named(folded_name(name))
    except ValueError:
        found = None
    if found is None:
        raise NotFoundError(f"There is no user {name!r}.", {"name": name})
    return found
