"""Access tokens: JWTs of one algorithm, signed with the first of our secrets and read with any of them."""

import hashlib
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt

from data.domain.errors import TokenExpiredError, TokenInvalidError
from data.domain.identity import Scope

ALGORITHM = "HS256"
ISSUER = "dailies"
AUDIENCE = "dailies-api"
LEEWAY_SECONDS = 5.0
"""How far the clocks of two of our machines may be apart."""
_CLAIMS = ("iss", "aud", "exp", "iat", "jti", "sub", "scope", "family", "epoch")


@dataclass(frozen=True)
class Claims:
    """What a token says, which nobody but us can have written."""

    user_id: str
    scopes: frozenset[Scope]
    jti: str
    family_id: str
    """The login that it follows from."""
    epoch: int
    """Of the user's tokens; an earlier one is revoked."""
    expires_at: datetime


class TokenSigner:
    """Makes and reads access tokens. Lives as long as the application.

    Args:
        signing_secrets: The first signs; the others are still taken, so that secrets can be changed without logging
            everybody out.
    """

    def __init__(self, signing_secrets: Sequence[str]) -> None:
        self._secrets = {_key_id(secret): secret for secret in signing_secrets}
        self._signing = _key_id(signing_secrets[0])

    def sign(self, user_id: str, scopes: Collection[Scope], family_id: str, epoch: int, life: timedelta) -> str:
        """Return a new token."""
        now = datetime.now(UTC)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user_id,
            "iat": now,
            "exp": now + life,
            "jti": secrets.token_hex(16),
            "scope": " ".join(sorted(scopes)),
            "family": family_id,
            "epoch": epoch,
        }
        return jwt.encode(claims, self._secrets[self._signing], ALGORITHM, headers={"kid": self._signing})

    def read(self, token: str, *, may_be_expired: bool = False) -> Claims:
        """Return what a token says.

        Raises:
            TokenExpiredError: Its time is over.
            TokenInvalidError: It is not ours, was changed, or is for somebody else.
        """
        options: dict[str, object] = {"require": list(_CLAIMS), "verify_exp": not may_be_expired}
        try:
            secret = self._secrets[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token,
                secret,
                algorithms=[ALGORITHM],  # never what the token itself says
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=LEEWAY_SECONDS,
                options=options,  # type: ignore[arg-type]
            )
            return Claims(
                user_id=claims["sub"],
                scopes=frozenset(map(Scope, claims["scope"].split())),
                jti=claims["jti"],
                family_id=claims["family"],
                epoch=int(claims["epoch"]),
                expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            )
        except jwt.ExpiredSignatureError as error:
            raise TokenExpiredError("The access token has expired: get another one with the refresh token.") from error
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise TokenInvalidError("The access token is not one that we gave.") from error


def _key_id(secret: str) -> str:
    """Return a name for a secret that says nothing about it."""
    return hashlib.sha256(b"dailies key id\n" + secret.encode()).hexdigest()[:16]
