import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from api.production import audit_is_signed, secrets_are_secret
from data.settings import Settings
from deployments.components import PROJECT
from deployments.secrets import database_settings, drawn_secrets, store_settings
from tasks.signing import signing_identity


def said(*arguments: str) -> dict[str, str]:
    done = bare(*arguments)
    assert done.returncode == 0, done.stderr
    return as_values(done.stdout)


def bare(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Ask a bare Python, as one has before anything is installed."""
    command = [sys.executable, "-S", "-m", "deployments.secrets", *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, env={})


def as_values(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def test_what_is_drawn_is_new_each_time_and_good_enough_for_production(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = drawn_secrets(), drawn_secrets()
    for name in [name for name in os.environ if name.startswith("DAILIES_")]:
        monkeypatch.delenv(name)
    for name, value in first.items():
        monkeypatch.setenv(name, value)
    settings = Settings(_env_file=None)

    assert not set(first.values()) & set(second.values())
    assert [*secrets_are_secret(settings), *audit_is_signed(settings)] == []


def test_the_file_holds_what_was_asked_for() -> None:
    plain = said("--name", "video.example.com", "--s3")
    cluster = said("--postgres", "db.example:5433")

    assert set(plain) == {"SERVER_NAME", *drawn_secrets(), *store_settings()}
    assert len(json.loads(plain["DAILIES_AUTH__SECRETS"])) == 1
    assert set(cluster) == {*drawn_secrets(), *database_settings("", "")}
    assert f":{cluster['POSTGRES_PASSWORD']}@db.example:5433/catalogue" in cluster["DAILIES_CATALOGUE__URL"]


def test_nobody_else_may_read_the_file(tmp_path: Path) -> None:
    written = tmp_path / ".env"
    with written.open("w", encoding="utf-8") as file:
        written.chmod(0o644)
        subprocess.run(
            [sys.executable, "-S", "-m", "deployments.secrets"], cwd=PROJECT, stdout=file, check=True, env={}
        )

    assert written.stat().st_mode & 0o777 == 0o600


def test_a_file_of_secrets_is_never_written_over(tmp_path: Path) -> None:
    written = tmp_path / ".env"
    first = bare("--name", "video.example.com", "--output", str(written))
    drawn = written.read_text(encoding="utf-8")
    second = bare("--name", "video.example.com", "--output", str(written))

    assert (first.returncode, first.stdout) == (0, "")
    assert set(as_values(drawn)) == {"SERVER_NAME", *drawn_secrets()}
    assert written.stat().st_mode & 0o777 == 0o600
    assert (second.returncode, second.stdout) == (1, "")
    assert "is there already" in second.stderr
    assert written.read_text(encoding="utf-8") == drawn
    nowhere = bare("--output", str(tmp_path / "none" / ".env"))
    assert nowhere.stderr.startswith(f"{tmp_path / 'none' / '.env'} cannot be written")


def test_a_signing_certificate_is_made_once_and_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-m", "deployments.secrets", "--signing", str(tmp_path / "signing")]
    told = [subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    made = tmp_path / "signing" / "signing.pem"
    kept = made.read_text(encoding="ascii")
    for name in ("CERTIFICATE", "PRIVATE_KEY"):
        monkeypatch.setenv(f"DAILIES_PROVENANCE__{name}", str(made))
    identity = signing_identity(Settings(_env_file=None, home=tmp_path / "home"))

    assert told == [f"{made}\n"] * 2
    assert made.stat().st_mode & 0o777 == 0o600
    assert identity is not None
    assert identity.chain_pem in kept
    assert not (tmp_path / "home").exists(), "none of its own was made"


def test_without_the_projects_packages_no_certificate_is_made(tmp_path: Path) -> None:
    done = bare("--signing", str(tmp_path / "signing"))

    assert done.returncode == 1
    assert "the project's packages or in its image" in done.stderr
