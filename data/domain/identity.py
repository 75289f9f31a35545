"""Who is asking, and what they may do."""

import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from data.domain.model import DomainModel

MAX_NAME_CHARACTERS = 200
MAX_PASSWORD_CHARACTERS = 1000


class Role(StrEnum):
    """What a person is here for."""

    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"


class Scope(StrEnum):
    """What a call needs, and what a token or key grants."""

    READ = "read"
    """See one's own jobs, assets and batches."""
    WRITE = "write"
    """Hand in work and control it."""
    ADMIN = "admin"
    """See everybody's, the audit, metrics, users, keys, providers."""


ROLE_SCOPES: dict[Role, frozenset[Scope]] = {
    Role.ADMIN: frozenset(Scope),
    Role.OPERATOR: frozenset({Scope.READ, Scope.WRITE}),
    Role.VIEWER: frozenset({Scope.READ}),
}


def granted(role: Role, scopes: Collection[Scope] | None = None) -> frozenset[Scope]:
    """Return what a role allows, narrowed by scopes where some are given: never more than the role itself."""
    return ROLE_SCOPES[role] if scopes is None else ROLE_SCOPES[role] & frozenset(scopes)


def folded_name(name: str) -> str:
    """Return a login name or e-mail address as it is kept: two that people take for the same are the same.

    Raises:
        ValueError: It is empty, too long, or has spaces or signs that cannot be seen.
    """
    folded = unicodedata.normalize("NFKC", name.strip()).casefold()
    if not 1 <= len(folded) <= MAX_NAME_CHARACTERS:
        raise ValueError(f"a name has 1 to {MAX_NAME_CHARACTERS} characters")
    if not folded.isprintable() or any(character.isspace() for character in folded):
        raise ValueError("a name has no spaces, and nothing that cannot be seen")
    return folded


class User(DomainModel):
    """Somebody who may log in."""

    id: str
    name: str
    """E-mail address or login, folded."""
    role: Role
    created_at: datetime
    disabled_at: datetime | None = None
    token_epoch: int = 0
    """Tokens of an earlier epoch are revoked."""


class ApiKey(DomainModel):
    """What a program calls with, in the name of a user; its secret is shown once and never kept."""

    id: str
    user_id: str
    name: str
    prefix: str
    """The beginning of the secret, by which people know it again."""
    scopes: tuple[Scope, ...]
    role_cap: Role | None = None
    """The key acts as that role at most, whatever its user's."""
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    """To the minute."""
    revoked_at: datetime | None = None

    def acting_role(self, role: Role) -> Role:
        """Return the role that the key acts as, where its user's is ``role``: the lesser of that and its cap."""
        cap = self.role_cap
        return cap if cap is not None and ROLE_SCOPES[cap] <= ROLE_SCOPES[role] else role

    def granted(self, role: Role) -> frozenset[Scope]:
        """Return what the key may do, where its user's role is ``role``: never more than that."""
        return granted(self.acting_role(role), self.scopes)


@dataclass(frozen=True)
class Caller:
    """Who makes a call."""

    id: str
    """Of the user: what they hand in belongs to it."""
    name: str
    role: Role
    scopes: frozenset[Scope]
    """Those of the role, narrowed by the token or key."""
    key_id: str | None = None
    """The API key that was used."""

    def may(self, scope: Scope) -> bool:
        """Tell whether a call that needs the scope is allowed."""
        return scope in self.scopes

    @property
    def sees_all(self) -> bool:
        """Whether others' jobs, assets and batches are seen, too."""
        return Scope.ADMIN in self.scopes

    @property
    def only_owner(self) -> str | None:
        """The owner whose things alone are seen; ``None`` for those who see everybody's."""
        return None if self.sees_all else self.id

    def owns(self, owner: str) -> bool:
        """Tell whether something of an owner is this caller's to see."""
        return self.sees_all or owner == self.id


LOCAL_USER = "local"
"""Owns what is handed in where nobody needs to log in."""

LOCAL_CALLER = Caller(LOCAL_USER, LOCAL_USER, Role.ADMIN, ROLE_SCOPES[Role.ADMIN])
"""Everybody, on a machine where nobody needs to log in."""

ANONYMOUS_CALLER = Caller("anonymous", "anonymous", Role.VIEWER, frozenset())
"""Who has not said who they are, where that is asked: sees what is published, and nothing else."""

_OWNER_PREFIX = "owner:"


def owner_tag(owner: str) -> str:
    """Return the tag by which the runs of an owner are found."""
    return _OWNER_PREFIX + owner


def named_owner(tags: Iterable[str]) -> str | None:
    """Return the owner that a run's tags name; ``None`` for one that was not made over the API."""
    return next((tag.removeprefix(_OWNER_PREFIX) for tag in tags if tag.startswith(_OWNER_PREFIX)), None)


def owner_of(tags: Iterable[str]) -> str:
    """Return whose a run is, by its tags: the local user's, where they name nobody."""
    return named_owner(tags) or LOCAL_USER
