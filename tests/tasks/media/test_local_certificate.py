"""A signing identity of our own: made once, nobody else's, and open about what it is worth."""

import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from data.domain.errors import SigningMisconfiguredError
from tasks.media.local_certificate import AUTHORITY_FILE, IDENTITY_FILE, LOCAL_NAME, local_identity
from tests.tasks.media.test_certificates import operator_files

SIGNERS = """
import sys
from pathlib import Path
from tasks.media.local_certificate import local_identity
sys.stdin.readline()
print(local_identity(Path(sys.argv[1])).chain_pem)
"""


def test_an_identity_of_our_own_is_made_once_and_says_what_it_is(tmp_path: Path) -> None:
    first = local_identity(tmp_path / "credentials")
    second = local_identity(tmp_path / "credentials")

    assert first == second
    assert first.name == LOCAL_NAME
    assert "not trusted" in first.name
    assert first.algorithm == "es256"


def test_nobody_else_can_read_its_key(tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    identity = local_identity(folder)

    assert stat.S_IMODE((folder / IDENTITY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert "PRIVATE KEY" not in repr(identity)
    assert "PRIVATE KEY" not in (folder / AUTHORITY_FILE).read_text()


def test_processes_that_make_it_at_once_have_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SIGNERS, str(tmp_path / "credentials")]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]

    chains = {process.communicate("go\n", timeout=60)[0] for process in processes}

    assert len(chains) == 1
    assert "BEGIN CERTIFICATE" in chains.pop()


def test_half_a_file_is_made_anew(tmp_path: Path) -> None:
    before = local_identity(tmp_path)
    path = tmp_path / IDENTITY_FILE
    path.write_bytes(path.read_bytes()[:500])

    after = local_identity(tmp_path)

    assert after.chain_pem != before.chain_pem
    assert after == local_identity(tmp_path)


def test_it_is_valid_for_years(tmp_path: Path) -> None:
    certificate = x509.load_pem_x509_certificates(local_identity(tmp_path).chain_pem.encode())[0]

    assert certificate.not_valid_after_utc - datetime.now(UTC) > timedelta(days=5 * 365)


def test_one_that_ends_soon_is_renewed(tmp_path: Path) -> None:
    certificate, key = operator_files(tmp_path)
    (tmp_path / IDENTITY_FILE).write_bytes(certificate.read_bytes() + key.read_bytes())

    assert local_identity(tmp_path).name == LOCAL_NAME


def test_a_folder_that_cannot_be_made_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SigningMisconfiguredError, match="DAILIES_PROVENANCE__ENABLED"):
        local_identity(tmp_path / "file" / "credentials")
