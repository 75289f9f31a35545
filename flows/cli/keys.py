"""``python -m flows key …``: API keys. Works on the catalogue itself, as ``user`` does."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from cyclopts import App, Parameter

from data.credentials import new_key
from data.domain.errors import InvalidRequestError
from data.domain.identity import ROLE_SCOPES, ApiKey, Role, Scope
from data.repositories import ApiKeyRepository
from flows.cli.catalogue import unit_of_work, user_named
from flows.cli.output import Json, local_time, print_json, print_table, say

app = App(name="key", help="Keep the API keys, in the catalogue of the settings.")

MOST_KEYS = 1000
User = Annotated[str, Parameter(help="Name of the user whose key it is.")]


@app.command
def create(
    user: User,
    name: Annotated[str, Parameter(help="What it is for.")],
    /,
    *,
    scope: Annotated[tuple[Scope, ...], Parameter(help="What it may do; repeatable. All of its user by default.")] = (),
    role_cap: Annotated[Role | None, Parameter(help="It acts as that role at most.")] = None,
    days: Annotated[float | None, Parameter(help="After so many it expires; by default never.")] = None,
) -> None:
    """Make an API key and print it, this once."""
    drawn = new_key()
    with unit_of_work() as session:
        owner = user_named(session, user)
        most = ROLE_SCOPES[owner.role] & ROLE_SCOPES[role_cap or owner.role]
        if not set(scope) <= most:
            raise InvalidRequestError(f"The key can have: {', '.join(sorted(most))}.", {"field": "scopes"})
        ApiKeyRepository(session).create(
            owner.id,
            name=name,
            prefix=drawn.prefix,
            secret_sha256=drawn.sha256,
            scopes=scope or most,
            role_cap=role_cap,
            expires_at=None if days is None else datetime.now(UTC) + timedelta(days=days),
        )
    say(drawn.secret)


@app.command(name="list")
def list_keys(
    user: Annotated[str, Parameter(help="Name of a user; all by default.")] = "", /, *, as_json: Json = False
) -> None:
    """List API keys, the latest first, revoked ones too."""
    with unit_of_work() as session:
        owner = user_named(session, user).id if user else None
        keys = ApiKeyRepository(session).page(owner, limit=MOST_KEYS)
    if as_json:
        print_json([key.model_dump(mode="json") for key in keys])
        return
    print_table(("ID", "KEY", "FOR", "USER", "SCOPES", "LAST USED", "STATE"), [_row(key) for key in keys])


@app.command
def revoke(key: Annotated[str, Parameter(help="Id of the key.")], /) -> None:
    """Let an API key do nothing any more."""
    with unit_of_work() as session:
        keys = ApiKeyRepository(session)
        keys.revoke(keys.get(key).id)


def _row(key: ApiKey) -> tuple[str, ...]:
    used = local_time(key.last_used_at.isoformat()) if key.last_used_at else "never"
    return key.id, f"{key.prefix}…", key.name, key.user_id, " ".join(key.scopes), used, _state(key)


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
        return "expired"
    return "active"
