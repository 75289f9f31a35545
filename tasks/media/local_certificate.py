"""A signing certificate of our own, which nobody trusts: for publications of those who have none.

It is made once and kept in the state home, under a lock, in one file, so that two processes never end up with one half
each. The key of the authority above it is not kept: nobody can issue anything else with it.
"""

import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from data.domain.errors import SigningMisconfiguredError
from data.locks import file_lock
from tasks.media.certificates import SigningIdentity, identity_of, pem_of

LOCAL_NAME = "Dailies local signing certificate (not trusted)"
LOCAL_AUTHORITY = "Dailies local authority (not trusted)"
IDENTITY_FILE = "signing.pem"
AUTHORITY_FILE = "authority.pem"
"""The certificate above our own, for those who want to trust it."""

_VALID = timedelta(days=3650)
"""Long, since without a time stamp a signature is worth something only as long as its certificate."""
_RENEW_BEFORE = timedelta(days=1825)
_CLOCK_DRIFT = timedelta(days=1)
_LOCK_SECONDS = 30.0


def local_identity(folder: Path, timestamp_url: str = "") -> SigningIdentity:
    """Return an identity of our own, made the first time and renewed in good time.

    Args:
        folder: Where it lies, or is put.
        timestamp_url: Of a time-stamping authority; empty: none is asked.

    Raises:
        SigningMisconfiguredError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / IDENTITY_FILE
        if (found := _own(path, timestamp_url)) is not None:
            return found
        with file_lock(folder / "lock", _LOCK_SECONDS):
            if (found := _own(path, timestamp_url)) is None:
                _make(folder, datetime.now(UTC))
                found = _own(path, timestamp_url)
    except (OSError, TimeoutError) as error:
        raise SigningMisconfiguredError(
            f"A signing certificate cannot be kept in {folder}: {error}. Make the folder writable, name a certificate "
            "(DAILIES_PROVENANCE__CERTIFICATE, …__PRIVATE_KEY), or set DAILIES_PROVENANCE__ENABLED=false.",
            {"path": str(folder)},
        ) from error
    assert found is not None
    return found


def _own(path: Path, timestamp_url: str) -> SigningIdentity | None:
    """Return the identity in a file of ours; ``None`` where it has to be made (anew)."""
    try:
        pem = path.read_bytes()
        chain = x509.load_pem_x509_certificates(pem)
        key = serialization.load_pem_private_key(pem, password=None)
    except (FileNotFoundError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    is_fresh = chain[0].not_valid_after_utc - datetime.now(UTC) > _RENEW_BEFORE
    return identity_of(chain, key, timestamp_url) if is_fresh else None


def _make(folder: Path, now: datetime) -> None:
    """Make an authority, let it issue one certificate, and keep everything but the authority's key."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_name, name = _name(LOCAL_AUTHORITY), _name(LOCAL_NAME)
    authority = (
        _unsigned(authority_name, authority_name, authority_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(issues=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    certificate = (
        _unsigned(name, authority_name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(issues=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    _write(folder / AUTHORITY_FILE, pem_of(authority), 0o644)
    _write(folder / IDENTITY_FILE, pem_of(certificate) + pem_of(authority) + secret, 0o600)


def _unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_DRIFT)
        .not_valid_after(now + _VALID)
    )


def _name(common_name: str) -> x509.Name:
    # C2PA's readers show the organisation as the issuer.
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Dailies (local, not trusted)"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key_usage(*, issues: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not issues,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=issues,
        crl_sign=issues,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, text: str, mode: int) -> None:
    """Write a file whole or not at all; nobody ever sees it with more rights than it is to have."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
