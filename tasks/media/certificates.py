"""What publications are signed with: the operator's certificate, or one of our own that nobody trusts.

Our own is made once and kept in the state home, under a lock, in one file, so that two processes never end up with one
half each. The key of the authority above it is not kept: nobody can issue anything else with it.
"""

import os
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from data.domain.errors import SigningMisconfiguredError
from data.locks import file_lock

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
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_MIN_RSA_BITS = 2048
_USAGES = frozenset(
    {ExtendedKeyUsageOID.EMAIL_PROTECTION, x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")}  # … and document signing
)
"""Of which C2PA asks for one."""


@dataclass(frozen=True)
class SigningIdentity:
    """A certificate with its private key, ready to sign."""

    chain_pem: str
    """The signer's own certificate first."""
    key_pem: str = field(repr=False)
    algorithm: str
    """C2PA's name: ``es256``, ``ps256``, ``ed25519`` …"""
    name: str
    """Whom the certificate names."""
    timestamp_url: str = ""
    """Of a time-stamping authority; empty: none is asked."""


def configured_identity(certificate: Path, private_key: Path, timestamp_url: str = "") -> SigningIdentity:
    """Return the identity of the operator's files.

    Args:
        certificate: PEM file of the certificate and those above it.
        private_key: PEM file of its key.
        timestamp_url: Of a time-stamping authority; empty: none is asked.

    Raises:
        SigningMisconfiguredError: Files are missing or damaged, do not belong together, or may not sign.
    """
    chain_pem, key_pem = _read(certificate, "CERTIFICATE"), _read(private_key, "PRIVATE_KEY")
    try:
        chain = x509.load_pem_x509_certificates(chain_pem)
    except ValueError as error:
        raise _unusable("CERTIFICATE", f"{certificate} holds no PEM certificate", certificate) from error
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _unusable(
            "PRIVATE_KEY", f"{private_key} holds no PEM private key without a password", private_key
        ) from error
    _refuse_unfit(chain[0], key, certificate)
    return _identity(chain, key, timestamp_url)


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


def read_anchors(path: Path) -> str:
    """Return the certificates of a PEM file, of authorities to trust.

    Raises:
        SigningMisconfiguredError: It cannot be read, or holds none.
    """
    try:
        return "".join(map(_pem, x509.load_pem_x509_certificates(path.read_bytes())))
    except (OSError, ValueError) as error:
        raise SigningMisconfiguredError(f"{path} holds no PEM certificate: {error}", {"path": str(path)}) from error


def _own(path: Path, timestamp_url: str) -> SigningIdentity | None:
    """Return the identity in a file of ours; ``None`` where it has to be made (anew)."""
    try:
        pem = path.read_bytes()
        chain = x509.load_pem_x509_certificates(pem)
        key = serialization.load_pem_private_key(pem, password=None)
    except (FileNotFoundError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    is_fresh = chain[0].not_valid_after_utc - datetime.now(UTC) > _RENEW_BEFORE
    return _identity(chain, key, timestamp_url) if is_fresh else None


def _identity(chain: list[x509.Certificate], key: PrivateKeyTypes, timestamp_url: str) -> SigningIdentity:
    names = chain[0].subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return SigningIdentity(
        chain_pem="".join(_pem(each) for each in chain),
        key_pem=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        algorithm=_algorithm(key),
        name=str(names[0].value) if names else chain[0].subject.rfc4514_string(),
        timestamp_url=timestamp_url,
    )


def _algorithm(key: PrivateKeyTypes) -> str:
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _MIN_RSA_BITS:
        return "ps256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    raise _unusable(
        "PRIVATE_KEY", f"the key is not of a kind that C2PA takes (P-256, P-384, P-521, RSA ≥ {_MIN_RSA_BITS}, Ed25519)"
    )


def _refuse_unfit(certificate: x509.Certificate, key: PrivateKeyTypes, path: Path) -> None:
    """Do nothing if a certificate belongs to a key, holds now, and may sign.

    Raises:
        SigningMisconfiguredError: It does not; says what is wrong.
    """
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if certificate.public_key().public_bytes(*form) != key.public_key().public_bytes(*form):
        raise _unusable("PRIVATE_KEY", f"the first certificate of {path} belongs to another key", path)
    now = datetime.now(UTC)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        held = f"from {certificate.not_valid_before_utc:%Y-%m-%d} to {certificate.not_valid_after_utc:%Y-%m-%d}"
        raise _unusable("CERTIFICATE", f"{path} holds {held} only", path)
    try:
        usages = set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        usages = set()
    if not usages & _USAGES:
        raise _unusable(
            "CERTIFICATE", f"{path} is not made for it: it needs the usage e-mail protection or document signing", path
        )


def _read(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unusable(setting, f"{path} cannot be read ({error.strerror})", path) from error


def _unusable(setting: str, why: str, path: Path | None = None) -> SigningMisconfiguredError:
    return SigningMisconfiguredError(
        f"Nothing can be signed: {why}. Look at DAILIES_PROVENANCE__{setting}.", {"path": str(path) if path else None}
    )


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
    _write(folder / AUTHORITY_FILE, _pem(authority), 0o644)
    _write(folder / IDENTITY_FILE, _pem(certificate) + _pem(authority) + secret, 0o600)


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


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _write(path: Path, text: str, mode: int) -> None:
    """Write a file whole or not at all; nobody ever sees it with more rights than it is to have."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
