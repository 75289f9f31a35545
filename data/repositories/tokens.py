"""Logins and their refresh tokens, and access tokens that were revoked, within one unit of work.

A login is a family of tokens. Each refresh token is good for one use, which gives the next; the same one presented
again says that two people have it, and nobody knows which of them is the thief: the whole family is closed.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from data.domain.identity import Role, Scope
from data.repositories.statements import insert_once
from data.tables import RefreshTokenRow, RevokedTokenRow, TokenFamilyRow, UserRow, utc_now


class Refresh(Enum):
    """What came of presenting a refresh token."""

    TAKEN = auto()
    UNKNOWN = auto()
    USED_BEFORE = auto()
    """The family has been closed for it."""
    CLOSED = auto()
    EXPIRED = auto()


@dataclass(frozen=True, slots=True)
class TokenFamily:
    """One login."""

    id: str
    user_id: str
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """How things stand for an access token now."""

    name: str
    role: Role
    is_disabled: bool
    is_revoked: bool


class TokenRepository:
    """Tokens within one unit of work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def begin(self, user_id: str, scopes: Collection[Scope], life: timedelta, refresh_sha256: str) -> TokenFamily:
        """Record a login, with its first refresh token."""
        now = utc_now()
        family = TokenFamily(secrets.token_hex(12), user_id, frozenset(scopes))
        self._session.add(
            TokenFamilyRow(
                id=family.id,
                user_id=user_id,
                scopes=" ".join(sorted(scopes)),
                created_at=now,
                expires_at=now + life,
                closed_at=None,
                closed_why=None,
            )
        )
        self._session.flush()
        self._add(family.id, refresh_sha256)
        return family

    def rotate(self, used_sha256: str, next_sha256: str) -> tuple[Refresh, TokenFamily | None]:
        """Use a refresh token up and record the next; of two at once with the same token one is too late.

        One that was used before closes its family: commit that before refusing.
        """
        token = self._session.get(RefreshTokenRow, used_sha256)
        if token is None:
            return Refresh.UNKNOWN, None
        row = self._session.get_one(TokenFamilyRow, token.family_id, with_for_update=True)
        if row.closed_at is not None:
            return Refresh.CLOSED, None
        if row.expires_at <= utc_now():
            return Refresh.EXPIRED, None
        used = update(RefreshTokenRow).where(RefreshTokenRow.sha256 == used_sha256, RefreshTokenRow.used_at.is_(None))
        if self._session.scalar(used.values(used_at=utc_now()).returning(RefreshTokenRow.sha256)) is None:
            self.close(row.id, "reuse")
            return Refresh.USED_BEFORE, None
        self._add(row.id, next_sha256)
        return Refresh.TAKEN, TokenFamily(row.id, row.user_id, frozenset(map(Scope, row.scopes.split())))

    def family_of(self, refresh_sha256: str) -> str | None:
        """Return the id of the family of a refresh token."""
        return self._session.scalar(select(RefreshTokenRow.family_id).where(RefreshTokenRow.sha256 == refresh_sha256))

    def close(self, family_id: str, why: str) -> None:
        """Revoke all tokens of a login."""
        self._close(TokenFamilyRow.id == family_id, why)

    def close_all(self, user_id: str, why: str) -> None:
        """Revoke all tokens of all logins of a user."""
        self._close(TokenFamilyRow.user_id == user_id, why)

    def revoke(self, jti: str, expires_at: datetime) -> None:
        """Revoke one access token."""
        insert_once(self._session, RevokedTokenRow, {"jti": jti, "expires_at": expires_at})

    def holder(self, user_id: str, family_id: str, jti: str, epoch: int) -> TokenHolder | None:
        """Return how things stand for an access token, in one look; ``None`` when its user or login is gone."""
        query = (
            select(UserRow, TokenFamilyRow.closed_at, RevokedTokenRow.jti)
            .join(TokenFamilyRow, TokenFamilyRow.user_id == UserRow.id)
            .outerjoin(RevokedTokenRow, RevokedTokenRow.jti == jti)
            .where(UserRow.id == user_id, TokenFamilyRow.id == family_id)
        )
        found = self._session.execute(query).first()
        if found is None:
            return None
        user, closed_at, revoked = found
        is_revoked = closed_at is not None or revoked is not None or user.token_epoch != epoch
        return TokenHolder(user.name, Role(user.role), user.disabled_at is not None, is_revoked)

    def forget_expired(self) -> None:
        """Remove what has expired, and can be told from what never was no more than by that."""
        now = utc_now()
        self._session.execute(delete(TokenFamilyRow).where(TokenFamilyRow.expires_at < now))
        self._session.execute(delete(RevokedTokenRow).where(RevokedTokenRow.expires_at < now))

    def _add(self, family_id: str, sha256: str) -> None:
        self._session.add(RefreshTokenRow(sha256=sha256, family_id=family_id, created_at=utc_now(), used_at=None))
        self._session.flush()

    def _close(self, which: object, why: str) -> None:
        statement = update(TokenFamilyRow).where(which, TokenFamilyRow.closed_at.is_(None))  # type: ignore[arg-type]
        self._session.execute(statement.values(closed_at=utc_now(), closed_why=why))
