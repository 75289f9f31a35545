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


def said(*arguments: str) -> dict[str, str]:
    """Ask a bare Python, as one has before anything is installed."""
    command = [sys.executable, "-S", "-m", "deployments.secrets", *arguments]
    out = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True, env={}).stdout
    return dict(line.split("=", 1) for line in out.splitlines())


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
