"""Secrets of people and programs.

Passwords are kept as argon2 hashes, which take a while on purpose (run them in a thread). What we draw ourselves has
256 random bits, which nobody guesses, so a plain hash of it is enough.
"""

import hashlib
import secrets
from dataclasses import dataclass
from functools import lru_cache

from pwdlib import PasswordHash

from data.domain.errors import InvalidRequestError
from data.domain.identity import MAX_PASSWORD_CHARACTERS

KEY_MARK = "dk_"
"""What API keys begin with, so that scanners of leaked secrets, and we, know one."""
REFRESH_MARK = "dr_"

_HASHER = PasswordHash.recommended()


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """What came of comparing a password."""

    is_right: bool
    better_hash: str | None = None
    """To keep instead of the one that there is: it was made in a way that is out of date."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """An API key that has just been drawn."""

    secret: str
    """The whole key; shown once, kept nowhere."""
    prefix: str
    """By which people know it again."""
    sha256: str


def hash_password(password: str) -> str:
    """Return what is kept of a password; takes some 50 ms and 64 MiB."""
    return _HASHER.hash(password)


def check_password(password: str, password_hash: str | None) -> PasswordCheck:
    """Compare a password with what is kept; without anything to compare with, take as long and say no."""
    if len(password) > MAX_PASSWORD_CHARACTERS:
        return PasswordCheck(False)
    is_right, better_hash = _HASHER.verify_and_update(password, password_hash or _nobodys_hash())
    return PasswordCheck(is_right and password_hash is not None, better_hash if password_hash else None)


def check_new_password(password: str, min_characters: int) -> None:
    """Do nothing if a password may be chosen.

    Raises:
        InvalidRequestError: It is too short, or too long.
    """
    if not min_characters <= len(password) <= MAX_PASSWORD_CHARACTERS:
        raise InvalidRequestError(
            f"A password has {min_characters} to {MAX_PASSWORD_CHARACTERS} characters.", {"field": "password"}
        )


def new_key() -> NewKey:
    """Draw an API key: ``dk_``, eight characters that are shown again, and the secret."""
    prefix = f"{KEY_MARK}{secrets.token_hex(4)}"
    secret = f"{prefix}_{secrets.token_urlsafe(32)}"
    return NewKey(secret, prefix, sha256_of(secret))


def new_refresh_token() -> str:
    """Draw a refresh token."""
    return REFRESH_MARK + secrets.token_urlsafe(32)


def sha256_of(secret: str) -> str:
    """Return what is kept of a secret that we drew."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


@lru_cache(maxsize=1)
def _nobodys_hash() -> str:
    return _HASHER.hash(secrets.token_urlsafe(32))
