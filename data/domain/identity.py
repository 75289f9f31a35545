"""Who is asking, and what they may do."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


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


def owner_of(tags: Iterable[str]) -> str:
    """Return whose a run is, by its tags; one that nobody handed in over the API is the local user's."""
    return next((tag.removeprefix(_OWNER_PREFIX) for tag in tags if tag.startswith(_OWNER_PREFIX)), LOCAL_USER)
