"""Users within one unit of work. Their password hashes leave here only for logging in."""

import secrets

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.orm import Session

from data.domain.errors import IllegalMoveError, NameTakenError, NotFoundError
from data.domain.identity import Role, User
from data.repositories.statements import insert_once, storable
from data.repositories.tokens import TokenRepository
from data.tables import UserRow, utc_now


class UserRepository:
    """Users within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(self, name: str, password_hash: str, role: Role) -> User:
        """Record a new user.

        Args:
            name: Folded (:func:`data.domain.identity.folded_name`).
            password_hash: Never the password.
            role: What they may do.

        Raises:
            NameTakenError: Somebody has that name.
        """
        user = User(id=secrets.token_hex(12), name=storable(name), role=role, created_at=utc_now())
        values = {**user.model_dump(), "role": role.value, "password_hash": password_hash}
        if not insert_once(self._session, UserRow, values):
            raise NameTakenError(f"There is a user {name!r} already.", {"field": "name"})
        return user

    def get(self, user_id: str) -> User:
        """Return a user.

        Raises:
            NotFoundError: There is none with that id.
        """
        user = self.find(user_id)
        if user is None:
            raise NotFoundError(f"There is no user {user_id!r}.", {"user_id": user_id})
        return user

    def find(self, user_id: str) -> User | None:
        """Return a user, or ``None``."""
        row = self._session.get(UserRow, storable(user_id))
        return None if row is None else _user(row)

    def named(self, name: str) -> User | None:
        """Return the user with a folded name, or ``None``."""
        row = self._session.scalar(select(UserRow).where(UserRow.name == storable(name)))
        return None if row is None else _user(row)

    def password_hash(self, user_id: str) -> str | None:
        """Return what a password is compared with; ``None`` when there is no such user."""
        return self._session.scalar(select(UserRow.password_hash).where(UserRow.id == user_id))

    def page(self, *, before: tuple[object, str] | None = None, limit: int = 50) -> tuple[User, ...]:
        """Return users, the latest first; ``before`` is (created_at, id) of the last one of the page before."""
        query = select(UserRow).order_by(UserRow.created_at.desc(), UserRow.id.desc()).limit(limit)
        if before is not None:
            query = query.where(tuple_(UserRow.created_at, UserRow.id) < before)
        return tuple(map(_user, self._session.scalars(query)))

    def set_role(self, user_id: str, role: Role) -> None:
        """Change what a user may do; their tokens and keys follow at once.

        Raises:
            NotFoundError: There is none with that id.
            IllegalMoveError: They are the last admin.
        """
        if role is not Role.ADMIN:
            self._spare_the_last_admin(user_id)
        self._change(user_id, role=role.value)

    def disable(self, user_id: str) -> None:
        """Let a user in no more, and close all their logins; their keys do not work while they are disabled.

        Raises:
            NotFoundError: There is none with that id.
            IllegalMoveError: They are the last admin.
        """
        self._spare_the_last_admin(user_id)
        self._change(user_id, disabled_at=func.coalesce(UserRow.disabled_at, utc_now()))
        self.log_out(user_id, "disabled")

    def enable(self, user_id: str) -> None:
        """Let a user in again.

        Raises:
            NotFoundError: There is none with that id.
        """
        self._change(user_id, disabled_at=None)

    def set_password(self, user_id: str, password_hash: str) -> None:
        """Give a user another password, and close all their logins.

        Raises:
            NotFoundError: There is none with that id.
        """
        self._change(user_id, password_hash=password_hash)
        self.log_out(user_id, "password")

    def upgrade_hash(self, user_id: str, password_hash: str) -> None:
        """Keep a better hash of the same password."""
        self._change(user_id, password_hash=password_hash)

    def log_out(self, user_id: str, why: str) -> None:
        """Revoke all tokens of a user, wherever they are.

        Raises:
            NotFoundError: There is none with that id.
        """
        self._change(user_id, token_epoch=UserRow.token_epoch + 1)
        TokenRepository(self._session).close_all(user_id, why)

    def _spare_the_last_admin(self, user_id: str) -> None:
        """Do nothing if an admin is left without that user. The rows are locked: two may not go at once."""
        query = select(UserRow.id).where(UserRow.role == Role.ADMIN.value, UserRow.disabled_at.is_(None))
        admins = set(self._session.scalars(query.order_by(UserRow.id).with_for_update()))
        if admins == {user_id}:
            raise IllegalMoveError("This is the last admin: make another one first.", {"allowed": []})

    def _change(self, user_id: str, **values: object) -> None:
        changed = update(UserRow).where(UserRow.id == storable(user_id)).values(**values).returning(UserRow.id)
        if self._session.scalar(changed, execution_options={"synchronize_session": False}) is None:
            raise NotFoundError(f"There is no user {user_id!r}.", {"user_id": user_id})
        self._session.expire_all()


def _user(row: UserRow) -> User:
    return User(**{name: getattr(row, name) for name in User.model_fields})
