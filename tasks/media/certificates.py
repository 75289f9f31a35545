"""What publications are signed with: a certificate and its key, looked at before they are used."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from data.domain.errors import SigningMisconfiguredError

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
    return identity_of(chain, key, timestamp_url)


def read_anchors(path: Path) -> str:
    """Return the certificates of a PEM file, of authorities to trust.

    Raises:
        SigningMisconfiguredError: It cannot be read, or holds none.
    """
    try:
        return "".join(map(pem_of, x509.load_pem_x509_certificates(path.read_bytes())))
    except (OSError, ValueError) as error:
        raise SigningMisconfiguredError(f"{path} holds no PEM certificate: {error}", {"path": str(path)}) from error


def identity_of(chain: list[x509.Certificate], key: PrivateKeyTypes, timestamp_url: str) -> SigningIdentity:
    """Return a certificate, the first of its chain, with its key as an identity.

    Raises:
        SigningMisconfiguredError: The key is not of a kind that C2PA takes.
    """
    names = chain[0].subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return SigningIdentity(
        chain_pem="".join(pem_of(each) for each in chain),
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


def pem_of(certificate: x509.Certificate) -> str:
    """Return a certificate as PEM text."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
