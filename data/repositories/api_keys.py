"""API keys within one unit of work: known by a hash of their secret."""

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import or_, select, tuple_, update
from sqlalchemy.orm import Session

from data.domain.errors import NotFoundError
from data.domain.identity import ApiKey, Role, Scope, User
from data.repositories.statements import storable
from data.tables import ApiKeyRow, UserRow, utc_now

USE_IS_NOTED_AFTER = timedelta(minutes=1)


class ApiKeyRepository:
    """API keys within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(
        self,
        user_id: str,
        *,
        name: str,
        prefix: str,
        secret_sha256: str,
        scopes: Collection[Scope],
        role_cap: Role | None = None,
        expires_at: datetime | None = None,
    ) -> ApiKey:
        """Record a key of a user."""
        row = ApiKeyRow(
            id=secrets.token_hex(12),
            user_id=user_id,
            name=storable(name),
            prefix=prefix,
            secret_sha256=secret_sha256,
            scopes=" ".join(sorted(scopes)),
            role_cap=role_cap and role_cap.value,
            created_at=utc_now(),
            expires_at=expires_at,
            last_used_at=None,
            revoked_at=None,
        )
        self._session.add(row)
        self._session.flush()
        return _key(row)

    def use(self, secret_sha256: str) -> tuple[ApiKey, User] | None:
        """Return a key by its secret's hash, with its user, and note that it is used; ``None`` when there is none."""
        query = select(ApiKeyRow, UserRow).join(UserRow, UserRow.id == ApiKeyRow.user_id)
        found = self._session.execute(query.where(ApiKeyRow.secret_sha256 == secret_sha256)).first()
        if found is None:
            return None
        row, user = found
        key = _key(row), User(**{name: getattr(user, name) for name in User.model_fields})
        is_old = or_(ApiKeyRow.last_used_at.is_(None), ApiKeyRow.last_used_at < utc_now() - USE_IS_NOTED_AFTER)
        if row.last_used_at is None or row.last_used_at < utc_now() - USE_IS_NOTED_AFTER:
            noted = update(ApiKeyRow).where(ApiKeyRow.id == row.id, is_old).values(last_used_at=utc_now())
            self._session.execute(noted, execution_options={"synchronize_session": False})
        return key

    def get(self, key_id: str, user_id: str | None = None) -> ApiKey:
        """Return a key.

        Args:
            key_id: Its id.
            user_id: Whose it must be; ``None`` takes anybody's.

        Raises:
            NotFoundError: There is none with that id, or it is another's.
        """
        row = self._session.get(ApiKeyRow, storable(key_id))
        if row is None or user_id not in (None, row.user_id):
            raise NotFoundError(f"There is no API key {key_id!r}.", {"key_id": key_id})
        return _key(row)

    def page(
        self, user_id: str | None, *, before: tuple[datetime, str] | None = None, limit: int = 50
    ) -> tuple[ApiKey, ...]:
        """Return keys of a user, or of all (``None``), the latest first, revoked ones too.

        Args:
            user_id: Whose.
            before: (created_at, id) of the last one of the page before.
            limit: At most this many.
        """
        query = select(ApiKeyRow).order_by(ApiKeyRow.created_at.desc(), ApiKeyRow.id.desc()).limit(limit)
        if user_id is not None:
            query = query.where(ApiKeyRow.user_id == storable(user_id))
        if before is not None:
            query = query.where(tuple_(ApiKeyRow.created_at, ApiKeyRow.id) < before)
        return tuple(map(_key, self._session.scalars(query)))

    def revoke(self, key_id: str) -> None:
        """Let a key do nothing any more; the first time counts."""
        revoked = update(ApiKeyRow).where(ApiKeyRow.id == key_id, ApiKeyRow.revoked_at.is_(None))
        self._session.execute(revoked.values(revoked_at=utc_now()))


def _key(row: ApiKeyRow) -> ApiKey:
    values = {name: getattr(row, name) for name in ApiKey.model_fields}
    return ApiKey(**{**values, "scopes": tuple(map(Scope, row.scopes.split()))})
