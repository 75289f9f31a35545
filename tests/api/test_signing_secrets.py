"""A laptop draws its secret once; who sets secrets gets those."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import SecretStr

from api.signing_secrets import SECRET_FILE, signing_secrets
from data.settings import AuthSettings, Settings

GIVEN = "a secret of thirty-two characters or more"


def test_a_secret_is_drawn_once_and_is_its_owners_alone_to_read(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, _env_file=None)

    [secret] = signing_secrets(settings)

    assert len(secret) >= 32
    assert signing_secrets(settings) == [secret]
    assert stat.S_IMODE((tmp_path / SECRET_FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [SECRET_FILE]


def test_several_processes_that_start_at_once_draw_one_secret(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, _env_file=None)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: signing_secrets(settings)[0], range(8)))

    assert len(set(found)) == 1


def test_secrets_that_are_set_are_used_and_nothing_is_drawn(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, auth=AuthSettings(secrets=[SecretStr(GIVEN)]), _env_file=None)

    assert signing_secrets(settings) == [GIVEN]
    assert list(tmp_path.iterdir()) == []
