"""Finding out who calls, by token or key; and logging in, refreshing and revoking. Plain values in and out, no HTTP."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session

from api.tokens import Claims, TokenSigner
from data.credentials import (
    KEY_MARK,
    check_password,
    hash_password,
    new_refresh_token,
    sha256_of,
)
from data.database import Database
from data.domain.errors import (
    CredentialsInvalidError,
    GrantRefusedError,
    InvalidRequestError,
    TokenExpiredError,
    TokenInvalidError,
    TokenRevokedError,
    UserDisabledError,
)
from data.domain.identity import ANONYMOUS_CALLER, LOCAL_CALLER, Caller, Scope, User, folded_name, granted
from data.repositories import ApiKeyRepository, Refresh, TokenFamily, TokenRepository, UserRepository

FRESH_SECONDS = 2.0
"""How long an answer about a token or key may be reused: a revocation in another process is felt after that."""
KEPT_CALLERS = 10_000
HASHES_AT_ONCE = 2
"""Each takes 64 MiB and a core for a moment: a flood of logins must not take the machine."""
_REFUSED = "Name and password do not fit."

T = TypeVar("T")


@dataclass(frozen=True)
class Tokens:
    """What a login gives."""

    access_token: str
    refresh_token: str
    scopes: frozenset[Scope]
    expires_in_seconds: int


class Authenticator:
    """Knows who calls. Lives as long as the application, within one event loop.

    Args:
        database: The catalogue.
        signer: Of access tokens.
        is_required: Whether who does not log in may do nothing, rather than everything.
        access_life: Of access tokens.
        refresh_life: Of logins.
    """

    def __init__(
        self,
        database: Database,
        signer: TokenSigner,
        *,
        is_required: bool,
        access_life: timedelta,
        refresh_life: timedelta,
    ) -> None:
        self._database = database
        self._signer = signer
        self._access_life = access_life
        self._refresh_life = refresh_life
        self._nobody = ANONYMOUS_CALLER if is_required else LOCAL_CALLER
        self._hashing = CapacityLimiter(HASHES_AT_ONCE)
        self._known: OrderedDict[str, tuple[float, Caller]] = OrderedDict()

    async def caller(self, headers: Mapping[str, str]) -> Caller:
        """Return who calls, by the headers of the call (looked up without regard to case).

        Raises:
            AuthenticationError: The token or key is not right, or not any more.
        """
        secret = _credentials(headers)
        if secret is None:
            return self._nobody
        if secret.startswith(KEY_MARK):
            digest = sha256_of(secret)
            return await self._known_or(digest, lambda session: _key_caller(session, digest))
        claims = self._signer.read(secret)
        return await self._known_or(claims.jti, lambda session: _token_caller(session, claims))

    async def log_in(self, name: str, password: str, scopes: frozenset[Scope] | None = None) -> Tokens:
        """Begin a login.

        Args:
            name: As it was typed.
            password: Likewise.
            scopes: To narrow the tokens to; ``None`` takes all that the role allows.

        Raises:
            GrantRefusedError: There is no such user, or that is not their password (which of the two is not said); or
                the role allows none of the scopes.
        """
        user, password_hash = await self._in_catalogue(lambda session: _found(session, name))
        check = await self.hashing(check_password, password, password_hash)
        if user is None or not check.is_right or user.disabled_at is not None:
            raise GrantRefusedError(_REFUSED, {"error": "invalid_grant"})
        allowed = _narrowed(user, scopes)
        refresh = new_refresh_token()

        def begun(session: Session) -> TokenFamily:
            users = UserRepository(session)
            if users.password_hash(user.id) != password_hash:  # changed while we compared: the old one was right
                raise GrantRefusedError(_REFUSED, {"error": "invalid_grant"})
            if check.better_hash:
                users.upgrade_hash(user.id, check.better_hash)
            return TokenRepository(session).begin(user.id, allowed, self._refresh_life, sha256_of(refresh))

        family = await self._in_catalogue(begun)
        return self._tokens(user, family, allowed, refresh)

    async def change_password(self, user_id: str, old_password: str, new_hash: str) -> None:
        """Give a user another password, if they know the one they have; it ends all their logins.

        Raises:
            InvalidRequestError: That is not the password.
            NotFoundError: There is no such user.
        """
        wrong = InvalidRequestError("That is not your password.", {"field": "old_password"})
        old_hash = await self._in_catalogue(lambda session: UserRepository(session).password_hash(user_id))
        if not (await self.hashing(check_password, old_password, old_hash)).is_right:
            raise wrong

        def changed(session: Session) -> None:
            users = UserRepository(session)
            if users.password_hash(user_id) != old_hash:  # changed while we compared: the old one was right
                raise wrong
            users.set_password(user_id, new_hash)

        await self._in_catalogue(changed)
        self.forget()

    async def refresh(self, token: str, scopes: frozenset[Scope] | None = None) -> Tokens:
        """Go on with a login: the refresh token is used up, and the next one given.

        Raises:
            GrantRefusedError: The token is not known, was used before (which closes the login), or its login is over.
        """
        following = new_refresh_token()

        def rotated(session: Session) -> tuple[Refresh, TokenFamily | None, User | None]:
            outcome, family = TokenRepository(session).rotate(sha256_of(token), sha256_of(following))
            return outcome, family, UserRepository(session).get(family.user_id) if family else None

        outcome, family, user = await self._in_catalogue(rotated)
        if outcome is Refresh.USED_BEFORE:
            self.forget()
        if family is None or user is None or user.disabled_at is not None:
            raise GrantRefusedError("The refresh token is not good any more: log in.", {"error": "invalid_grant"})
        allowed = _narrowed(user, family.scopes if scopes is None else family.scopes & scopes)
        return self._tokens(user, family, allowed, following)

    async def revoke(self, token: str) -> None:
        """Revoke whatever token or key that is: a login by its refresh token; what is none of ours is so already."""
        if token.startswith(KEY_MARK):
            await self._in_catalogue(lambda session: _revoke_key(session, token))
        elif token.count(".") == 2:
            try:
                claims = self._signer.read(token, may_be_expired=True)
            except TokenInvalidError:
                return
            await self._in_catalogue(lambda session: TokenRepository(session).revoke(claims.jti, claims.expires_at))
        else:
            await self._in_catalogue(lambda session: _close_login(session, token))
        self.forget()

    async def hash(self, password: str) -> str:
        """Return what is kept of a password."""
        return await self.hashing(hash_password, password)

    async def hashing(self, work: Callable[..., T], *arguments: object) -> T:
        """Do slow work on a password in a thread, few at once."""
        return await to_thread.run_sync(work, *arguments, limiter=self._hashing)

    def forget(self) -> None:
        """Look everybody up again, since something about them was changed here."""
        self._known.clear()

    async def _known_or(self, key: str, look: Callable[[Session], Caller]) -> Caller:
        read_at, caller = self._known.get(key, (float("-inf"), None))
        if caller is not None and time.monotonic() - read_at < FRESH_SECONDS:
            return caller
        self._known.pop(key, None)
        found = await self._in_catalogue(look)
        self._known[key] = (time.monotonic(), found)
        while len(self._known) > KEPT_CALLERS:
            self._known.popitem(last=False)
        return found

    async def _in_catalogue(self, work: Callable[[Session], T]) -> T:
        def in_session() -> T:
            with self._database.session() as session:
                return work(session)

        return await run_in_threadpool(in_session)

    def _tokens(self, user: User, family: TokenFamily, scopes: frozenset[Scope], refresh: str) -> Tokens:
        access = self._signer.sign(user.id, scopes, family.id, user.token_epoch, self._access_life)
        return Tokens(access, refresh, scopes, int(self._access_life.total_seconds()))


def _credentials(headers: Mapping[str, str]) -> str | None:
    """Return the token or key of a call; ``None`` when it has none.

    Raises:
        TokenInvalidError: It says who calls in a way that we do not take.
    """
    if key := headers.get("X-API-Key"):
        if not key.startswith(KEY_MARK):
            raise CredentialsInvalidError("The API key is not one that we gave.")
        return key
    given = headers.get("Authorization")
    if not given:
        return None
    scheme, _, secret = given.partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise TokenInvalidError("Authorization takes `Bearer` and an access token or an API key.")
    return secret.strip()


def _found(session: Session, name: str) -> tuple[User | None, str | None]:
    try:
        folded = folded_name(name)
    except ValueError:
        return None, None
    users = UserRepository(session)
    user = users.named(folded)
    return user, users.password_hash(user.id) if user else None


def _narrowed(user: User, scopes: frozenset[Scope] | None) -> frozenset[Scope]:
    allowed = granted(user.role, scopes)
    if not allowed:
        raise GrantRefusedError("Your role allows none of these scopes.", {"error": "invalid_scope"})
    return allowed


def _token_caller(session: Session, claims: Claims) -> Caller:
    holder = TokenRepository(session).holder(claims.user_id, claims.family_id, claims.jti, claims.epoch)
    if holder is not None and holder.is_disabled:
        raise UserDisabledError("This user has been disabled.")
    if holder is None or holder.is_revoked:
        raise TokenRevokedError("The access token was revoked: log in.")
    return Caller(claims.user_id, holder.name, holder.role, granted(holder.role, claims.scopes))


def _key_caller(session: Session, secret_sha256: str) -> Caller:
    found = ApiKeyRepository(session).use(secret_sha256)
    if found is None:
        raise CredentialsInvalidError("The API key is not one that we gave.")
    key, user = found
    if key.revoked_at is not None:
        raise TokenRevokedError(f"The API key {key.prefix} was revoked.")
    if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
        raise TokenExpiredError(f"The API key {key.prefix} has expired.")
    if user.disabled_at is not None:
        raise UserDisabledError("This user has been disabled.")
    return Caller(user.id, user.name, key.acting_role(user.role), key.granted(user.role), key.id)


def _revoke_key(session: Session, secret: str) -> None:
    keys = ApiKeyRepository(session)
    found = keys.use(sha256_of(secret))
    if found is not None:
        keys.revoke(found[0].id)


def _close_login(session: Session, refresh_token: str) -> None:
    tokens = TokenRepository(session)
    family_id = tokens.family_of(sha256_of(refresh_token))
    if family_id is not None:
        tokens.close(family_id, "revoked")
