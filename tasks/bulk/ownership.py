"""Whose a batch is that nobody hands in over the API: the night's, a schedule's, the watched folder's."""

from data.database import Database
from data.domain.errors import BatchOwnerError
from data.domain.identity import LOCAL_USER, ROLE_SCOPES, Scope, User, folded_name
from data.repositories import UserRepository


def account_of(named: str, database: Database) -> str:
    """Return the id of the account that a batch is to belong to.

    Asked anew for every batch: who was disabled, or may only look by now, gets no more work done.

    Args:
        named: E-mail address, login name or id of an account; empty, or ``local``, is the local user, whose things
            only admins see where people log in.
        database: The catalogue.

    Raises:
        BatchOwnerError: There is no such account, it is disabled, or it may not hand in work.
    """
    if named in ("", LOCAL_USER):
        return LOCAL_USER
    user = _user(named, database)
    if user is None:
        raise BatchOwnerError(f"A batch is to belong to {named!r}, and there is no such account.", {"owner": named})
    if user.disabled_at is not None or Scope.WRITE not in ROLE_SCOPES[user.role]:
        state = "disabled" if user.disabled_at is not None else f"a {user.role.value}"
        raise BatchOwnerError(f"A batch is to belong to {user.name!r}, who is {state}.", {"owner": named})
    return user.id


def _user(named: str, database: Database) -> User | None:
    with database.session() as session:
        users = UserRepository(session)
        if (user := users.find(named.strip())) is not None:  # first: a login name may look like another's id
            return user
        try:
            return users.named(folded_name(named))
        except ValueError:  # no account can have that name
            return None
