"""What the calls about users and API keys do."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from fastapi.concurrency import run_in_threadpool
from pydantic import SecretStr
from sqlalchemy.orm import Session

from api.account_schemas import ApiKeyAnswer, ApiKeyCall, NewApiKeyAnswer, PasswordChange, UserAnswer, UserChange
from api.authentication import Tokens
from api.cursors import CreatedPosition
from api.dependencies import Services
from api.schemas import Page
from data.credentials import check_new_password, new_key
from data.domain.errors import InvalidRequestError, ScopeMissingError
from data.domain.identity import LOCAL_USER, ROLE_SCOPES, ApiKey, Caller, Role, Scope, User
from data.repositories import ApiKeyRepository, UserRepository

T = TypeVar("T")


async def create_user(services: Services, name: str, password: SecretStr, role: Role) -> UserAnswer:
    """Make a user.

    Raises:
        NameTakenError: Somebody has that name.
        InvalidRequestError: The password is too short.
    """
    password_hash = await _hashed(services, password)
    user = await _in_catalogue(services, lambda session: UserRepository(session).create(name, password_hash, role))
    return _user(user)


async def get_user(services: Services, user_id: str) -> UserAnswer:
    """Return a user.

    Raises:
        NotFoundError: There is none with that id.
    """
    return _user(await _in_catalogue(services, lambda session: UserRepository(session).get(user_id)))


async def list_users(services: Services, after: str | None, limit: int) -> Page[UserAnswer]:
    """Return users, the latest first.

    Raises:
        InvalidRequestError: ``after`` is no cursor.
    """
    before = CreatedPosition.decode(after).key if after else None
    found = await _in_catalogue(services, lambda session: UserRepository(session).page(before=before, limit=limit + 1))
    last = CreatedPosition(found[limit - 1].created_at, found[limit - 1].id) if len(found) > limit else None
    return Page[UserAnswer](items=tuple(map(_user, found[:limit])), next=last.encode() if last else None)


async def change_user(services: Services, user_id: str, change: UserChange) -> UserAnswer:
    """Change a user, in one step.

    Raises:
        NotFoundError: There is none with that id.
        IllegalMoveError: They are the last admin.
        InvalidRequestError: The password is too short.
    """
    password_hash = await _hashed(services, change.password) if change.password else None

    def changed(session: Session) -> User:
        users = UserRepository(session)
        if change.role is not None:
            users.set_role(user_id, change.role)
        if change.is_disabled is not None:
            (users.disable if change.is_disabled else users.enable)(user_id)
        if password_hash is not None:
            users.set_password(user_id, password_hash)
        return users.get(user_id)

    user = await _in_catalogue(services, changed)
    services.authenticator.forget()
    return _user(user)


async def log_out_everywhere(services: Services) -> None:
    """Revoke all tokens of the caller; keys stay. The local user has none."""
    if services.caller.id == LOCAL_USER:
        return
    await _in_catalogue(services, lambda session: UserRepository(session).log_out(services.caller.id, "everywhere"))
    services.authenticator.forget()


async def change_password(services: Services, change: PasswordChange) -> Tokens:
    """Give the caller another password: all their logins end, and a new one begins that may do as much.

    Raises:
        ScopeMissingError: An API key cannot.
        InvalidRequestError: The old password is not right, or the new one too short; the local user has none.
    """
    caller = services.caller
    if caller.key_id is not None:  # else whoever has found a key could take the account
        raise ScopeMissingError("An API key cannot change a password: log in.", {"scope": ""})
    if caller.id == LOCAL_USER:
        raise InvalidRequestError("The local user has no password.", {"field": "old_password"})
    password_hash = await _hashed(services, change.new_password)
    await services.authenticator.change_password(caller.id, change.old_password.get_secret_value(), password_hash)
    return await services.authenticator.log_in(caller.name, change.new_password.get_secret_value(), caller.scopes)


async def create_key(services: Services, call: ApiKeyCall) -> NewApiKeyAnswer:
    """Make an API key: it may do no more than who makes it, and no more than whose it is.

    Raises:
        ScopeMissingError: A key, or the local user, cannot make keys; others' are made by admins.
        InvalidRequestError: More is asked for than may be given, or it would have expired already.
        NotFoundError: There is no such user.
    """
    caller = services.caller
    owner_id = call.user_id or caller.id
    _check_may_make(caller, owner_id)
    if call.expires_at is not None and call.expires_at <= datetime.now(UTC):
        raise InvalidRequestError("`expires_at` is over already.", {"field": "expires_at"})
    drawn = new_key()

    def created(session: Session) -> ApiKey:
        owner = UserRepository(session).get(owner_id)
        return ApiKeyRepository(session).create(
            owner.id,
            name=call.name,
            prefix=drawn.prefix,
            secret_sha256=drawn.sha256,
            scopes=_grantable(caller, owner, call),
            role_cap=call.role_cap,
            expires_at=call.expires_at,
        )

    key = await _in_catalogue(services, created)
    return NewApiKeyAnswer(**_key(key).model_dump(), key=drawn.secret)


async def list_keys(services: Services, user_id: str | None, after: str | None, limit: int) -> Page[ApiKeyAnswer]:
    """Return keys of the caller, or of the user that an admin names, the latest first.

    Raises:
        InvalidRequestError: ``after`` is no cursor.
        ScopeMissingError: Others' keys are for admins.
    """
    owner_id = user_id or services.caller.id
    if not services.caller.owns(owner_id):
        raise ScopeMissingError("Others' keys are for admins.", {"scope": Scope.ADMIN.value})
    before = CreatedPosition.decode(after).key if after else None
    found = await _in_catalogue(
        services, lambda session: ApiKeyRepository(session).page(owner_id, before=before, limit=limit + 1)
    )
    last = CreatedPosition(found[limit - 1].created_at, found[limit - 1].id) if len(found) > limit else None
    return Page[ApiKeyAnswer](items=tuple(map(_key, found[:limit])), next=last.encode() if last else None)


async def revoke_key(services: Services, key_id: str) -> None:
    """Let a key do nothing any more.

    Raises:
        NotFoundError: There is no such key, or it is another's.
        ScopeMissingError: A key can revoke no other.
    """
    if services.caller.key_id not in (None, key_id):
        raise ScopeMissingError("An API key can revoke itself alone: log in.", {"scope": ""})

    def revoked(session: Session) -> None:
        keys = ApiKeyRepository(session)
        keys.revoke(keys.get(key_id, services.caller.only_owner).id)

    await _in_catalogue(services, revoked)
    services.authenticator.forget()


def _check_may_make(caller: Caller, owner_id: str) -> None:
    if caller.key_id is not None:  # else a key that expires, or is revoked, could live on in another
        raise ScopeMissingError("An API key cannot make keys: log in.", {"scope": ""})
    if owner_id == LOCAL_USER:
        raise InvalidRequestError("The local user needs no key: name a user.", {"field": "user_id"})
    if not caller.owns(owner_id):
        raise ScopeMissingError("Others' keys are made by admins.", {"scope": Scope.ADMIN.value})


def _grantable(caller: Caller, owner: User, call: ApiKeyCall) -> frozenset[Scope]:
    most = ROLE_SCOPES[owner.role] & caller.scopes
    if call.role_cap is not None:
        most &= ROLE_SCOPES[call.role_cap]
    wanted = most if call.scopes is None else call.scopes
    if not wanted or not wanted <= most:
        raise InvalidRequestError(
            f"The key can have: {', '.join(sorted(most)) or 'nothing'}.", {"field": "scopes", "allowed": sorted(most)}
        )
    return wanted


async def _hashed(services: Services, password: SecretStr) -> str:
    check_new_password(password.get_secret_value(), services.settings.auth.min_password_characters)
    return await services.authenticator.hash(password.get_secret_value())


async def _in_catalogue(services: Services, work: Callable[[Session], T]) -> T:
    def in_session() -> T:
        with services.database.session() as session:
            return work(session)

    return await run_in_threadpool(in_session)


def _user(user: User) -> UserAnswer:
    return UserAnswer(**user.model_dump(exclude={"token_epoch"}))


def _key(key: ApiKey) -> ApiKeyAnswer:
    return ApiKeyAnswer(**key.model_dump())
