"""The operator's certificate, looked at before it is used."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from data.domain.errors import SigningMisconfiguredError
from tasks.media.certificates import configured_identity, read_anchors
from tasks.media.local_certificate import AUTHORITY_FILE, local_identity


def operator_files(
    folder: Path,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | None = None,
    *,
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION,
    days: int = 30,
    form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8,
) -> tuple[Path, Path]:
    """Write a certificate and its key as an operator has them."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    now, name = datetime.now(UTC), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Studio")])
    authority = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority")])
    made = (
        x509.CertificateBuilder(issuer, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .sign(authority, hashes.SHA256())
    )
    certificate, private_key = folder / "chain.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private_key.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return certificate, private_key


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "es256"),
        (ec.generate_private_key(ec.SECP384R1()), "es384"),
        (rsa.generate_private_key(65537, 2048), "ps256"),
        (ed25519.Ed25519PrivateKey.generate(), "ed25519"),
    ],
)
def test_the_key_decides_the_algorithm(key: ec.EllipticCurvePrivateKey, algorithm: str, tmp_path: Path) -> None:
    identity = configured_identity(*operator_files(tmp_path, key), "https://time.example")

    assert (identity.algorithm, identity.name) == (algorithm, "Studio")
    assert identity.timestamp_url == "https://time.example"


def test_an_older_form_of_key_is_taken(tmp_path: Path) -> None:
    files = operator_files(tmp_path, form=serialization.PrivateFormat.TraditionalOpenSSL)

    assert configured_identity(*files).key_pem.startswith("-----BEGIN PRIVATE KEY-----")


def test_files_that_are_missing_or_empty_are_named(tmp_path: Path) -> None:
    certificate, key = operator_files(tmp_path)
    empty = tmp_path / "empty.pem"
    empty.touch()

    for files, setting in (
        ((tmp_path / "nowhere.pem", key), "CERTIFICATE"),
        ((certificate, tmp_path / "nowhere.pem"), "PRIVATE_KEY"),
        ((empty, key), "CERTIFICATE"),
        ((certificate, empty), "PRIVATE_KEY"),
    ):
        with pytest.raises(SigningMisconfiguredError, match=f"DAILIES_PROVENANCE__{setting}"):
            configured_identity(*files)


def test_a_certificate_that_may_not_sign_is_refused(tmp_path: Path) -> None:
    for options, why in (
        ({"days": -1}, "only"),
        ({"usage": ExtendedKeyUsageOID.SERVER_AUTH}, "e-mail protection"),
        ({"key": ec.generate_private_key(ec.SECP256K1())}, "kind that C2PA takes"),
    ):
        with pytest.raises(SigningMisconfiguredError, match=why):
            configured_identity(*operator_files(tmp_path, **options))


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    certificate, _ = operator_files(tmp_path)
    _, key = operator_files(tmp_path / "other")

    with pytest.raises(SigningMisconfiguredError, match="another key"):
        configured_identity(certificate, key)


def test_anchors_are_certificates(tmp_path: Path) -> None:
    local_identity(tmp_path)
    assert "BEGIN CERTIFICATE" in read_anchors(tmp_path / AUTHORITY_FILE)

    (tmp_path / "text").write_text("no")
    with pytest.raises(SigningMisconfiguredError, match="no PEM certificate"):
        read_anchors(tmp_path / "text")
