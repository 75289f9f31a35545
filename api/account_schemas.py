"""The shapes of users, API keys and tokens."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from api.schemas import Answer, Call, Instant, Problem
from data.domain.identity import MAX_NAME_CHARACTERS, MAX_PASSWORD_CHARACTERS, Role, Scope, folded_name

Name = Annotated[
    str,
    Field(min_length=1, max_length=MAX_NAME_CHARACTERS, description="E-mail address or login.", examples=["ann"]),
    AfterValidator(folded_name),
]
Password = Annotated[SecretStr, Field(max_length=MAX_PASSWORD_CHARACTERS)]


class SignUpCall(Call):
    """Become a user."""

    name: Name
    password: Password


class UserCall(SignUpCall):
    """Make somebody a user."""

    role: Role = Role.VIEWER


class UserChange(Call):
    """Change a user; what is not given stays."""

    role: Role | None = None
    is_disabled: bool | None = Field(default=None, description="Disabling ends their logins and stops their keys.")
    password: Password | None = Field(default=None, description="A new one ends their logins.")


class PasswordChange(Call):
    """Give oneself another password."""

    old_password: Password
    new_password: Password


class UserAnswer(Answer):
    """A user."""

    id: str
    name: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None = None


class CallerAnswer(Answer):
    """Who calls, and what they may do with what they called with."""

    id: str
    name: str
    role: Role
    scopes: tuple[Scope, ...]
    key_id: str | None = Field(default=None, description="Of the API key that was used.")


class TokenAnswer(Answer):
    """What a login gives (RFC 6749 §5.1)."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105 - the name of a type
    expires_in: int = Field(description="Seconds until the access token expires.")
    refresh_token: str = Field(description="Good for one use, which gives the next.")
    scope: str


class GrantProblem(Problem):
    """A refusal of a token, with what OAuth2 clients look for in it (RFC 6749 §5.2)."""

    error: Literal["invalid_request", "invalid_grant", "invalid_scope", "unsupported_grant_type"]
    error_description: str


class ApiKeyCall(Call):
    """Make an API key."""

    name: str = Field(min_length=1, max_length=100, description="What it is for.", examples=["nightly import"])
    scopes: frozenset[Scope] | None = Field(
        default=None, description="What it may do; by default all that the caller may."
    )
    role_cap: Role | None = Field(default=None, description="It acts as that role at most.")
    expires_at: Instant | None = Field(default=None, description="By default it does not expire.")
    user_id: str | None = Field(default=None, description="Whose it is to be, where an admin makes it for another.")


class ApiKeyAnswer(Answer):
    """An API key, without its secret."""

    id: str
    user_id: str
    name: str
    prefix: str = Field(description="The beginning of the key.")
    scopes: tuple[Scope, ...]
    role_cap: Role | None = None
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = Field(default=None, description="To the minute.")
    revoked_at: datetime | None = None


class NewApiKeyAnswer(ApiKeyAnswer):
    """An API key that was just made."""

    key: str = Field(description="The key itself. It is shown this once, and kept nowhere.")
