"""Targets are opened with what the settings say of them, wherever the recipe came from."""

from collections.abc import Iterator

import pytest

from data.domain.errors import DailiesError
from data.settings import get_settings
from tasks.copies import open_target
from tests.fakes.s3_server import S3Server, s3_server


@pytest.fixture
def fresh_settings() -> Iterator[None]:
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.mark.usefixtures("fresh_settings")
def test_a_target_is_at_another_server_than_the_store_with_keys_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server() as server:
        monkeypatch.setenv("DAILIES_STORAGE__URL", "s3://store/ours")
        monkeypatch.setenv("DAILIES_STORAGE__ENDPOINT_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("DAILIES_STORAGE__ACCESS_KEY", "the store's")
        monkeypatch.setenv("DAILIES_STORAGE__SECRET_KEY", "the store's")
        monkeypatch.setenv("DAILIES_PUBLISH__ALLOWED_TARGETS", f'["{server.url}/cdn"]')
        monkeypatch.setenv("DAILIES_PUBLISH__CREDENTIALS", credentials(server))

        open_target(f"{server.url}/cdn/videos").put_bytes(b"pointer", "publication.json")

        assert open_target(f"{server.url}/cdn").get_bytes("videos/publication.json") == b"pointer"
        with pytest.raises(DailiesError):
            open_target(f"{server.url}/elsewhere").put_bytes(b"pointer", "publication.json")


def credentials(server: S3Server) -> str:
    keys = f'"access_key": "{server.access_key}", "secret_key": "{server.secret_key}"'
    return f'{{"{server.url}/cdn": {{"endpoint_url": "{server.endpoint_url}", {keys}}}}}'
