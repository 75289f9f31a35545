"""Settings: a laptop needs none, and the README says what there is."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from data.settings import Settings, settings_table

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_has_the_table_of_all_settings() -> None:
    assert settings_table() in README.read_text(encoding="utf-8"), "run `python -m data.settings` and paste it"


def test_a_laptop_needs_no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    settings = Settings(_env_file=None)

    assert settings.storage_url == f"file://{tmp_path}/var/store"
    assert settings.catalogue_url == f"sqlite:///{tmp_path}/var/catalogue.db"


def test_groups_are_set_by_double_underscores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAILIES_INGEST__ALLOWED_ROOTS", '["/media/in"]')
    monkeypatch.setenv("DAILIES_STORAGE__SECRET_KEY", "hidden")

    settings = Settings(_env_file=None)

    assert settings.ingest.allowed_roots == [Path("/media/in")]
    assert "hidden" not in repr(settings)
    assert settings.storage_options["secret_key"] == "hidden"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "dailies.example"])
def test_the_api_binds_to_loopback_only_unless_people_log_in(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("DAILIES_API__HOST", host)

    with pytest.raises(ValidationError, match="DAILIES_AUTH__REQUIRED"):
        Settings(_env_file=None)
    monkeypatch.setenv("DAILIES_AUTH__REQUIRED", "true")
    assert Settings(_env_file=None).api.host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_on_the_loopback_nobody_needs_to_log_in(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("DAILIES_API__HOST", host)

    assert not Settings(_env_file=None).is_auth_required


def test_in_production_people_log_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAILIES_MODE", "production")

    assert Settings(_env_file=None).is_auth_required


def test_a_short_secret_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAILIES_AUTH__SECRETS", '["hunter2"]')

    with pytest.raises(ValidationError, match="32 characters") as refused:
        Settings(_env_file=None)
    assert "hunter2" not in str(refused.value)


def generation(monkeypatch: pytest.MonkeyPatch, providers: str) -> Settings:
    monkeypatch.setenv("DAILIES_GENERATION__PROVIDERS", providers)
    return Settings(_env_file=None)


def test_without_settings_video_is_made_on_this_machine() -> None:
    assert [each.engine for each in Settings(_env_file=None).generation.providers] == ["storyboard"]


def test_providers_are_set_as_json_and_their_keys_stay_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[{"name": "farm", "engine": "comfyui", "url": "http://farm:8188", "api_key": "hidden"}]'

    settings = generation(monkeypatch, text)

    [provider] = settings.generation.providers
    assert provider.api_key is not None
    assert provider.api_key.get_secret_value() == "hidden"
    assert "hidden" not in repr(settings)


@pytest.mark.parametrize(
    ("providers", "says"),
    [
        ('[{"name": "a", "engine": "storyboard"}, {"name": "a", "engine": "diffusers"}]', "the same name: a"),
        ('[{"name": "a", "engine": "magic"}]', "there is no engine 'magic'"),
        ('[{"name": "a", "engine": "comfyui"}]', "needs a `url`"),
        ('[{"name": "a", "engine": "storyboard", "price_per_second": 1}]', "max_duration_seconds"),
        ('[{"name": "a", "engine": "storyboard", "colour": "red"}]', "colour"),
    ],
)
def test_providers_that_make_no_sense_are_refused(monkeypatch: pytest.MonkeyPatch, providers: str, says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        generation(monkeypatch, providers)

    assert says in str(caught.value)


CDN = '{"endpoint_url": "https://cdn.example", "access_key": "ours", "secret_key": "hidden", "region": "eu-1"}'


def test_targets_have_an_endpoint_and_keys_of_their_own_by_the_longest_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DAILIES_STORAGE__SECRET_KEY", "the store's")
    monkeypatch.setenv("DAILIES_PUBLISH__ALLOWED_TARGETS", '["s3://cdn", "s3://other"]')
    monkeypatch.setenv("DAILIES_PUBLISH__CREDENTIALS", f'{{"s3://cdn/": {CDN}, "s3://cdn/aws/": {{}}}}')

    settings = Settings(_env_file=None)

    cdn = {"endpoint_url": "https://cdn.example", "access_key": "ours", "secret_key": "hidden", "region": "eu-1"}
    aws = {"endpoint_url": None, "access_key": None, "secret_key": None, "region": "us-east-1"}
    assert settings.options_at("s3://cdn/videos") == cdn
    assert settings.options_at("s3://cdn/aws/videos") == aws
    assert settings.options_at("s3://cdn/awsome") == cdn
    assert settings.options_at("s3://other") == settings.options_at("s3://cdn-2") == settings.storage_options
    assert settings.storage_options["secret_key"] == "the store's"
    assert "hidden" not in repr(settings)


@pytest.mark.parametrize(
    ("credentials", "says"),
    [
        (f'{{"s3://elsewhere": {CDN}}}', "where no publish.allowed_targets lie"),
        (f'{{"file:///srv/www": {CDN}}}', "are for s3:// targets"),
        (f'{{"cdn": {CDN}}}', "a target's address is"),
        ('{"s3://cdn": {"secret_key": "hidden"}}', "belong together"),
        ('{"s3://cdn": {"secret": "hidden"}}', "Extra inputs are not permitted"),
    ],
)
def test_credentials_of_targets_that_make_no_sense_are_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, credentials: str, says: str
) -> None:
    monkeypatch.setenv("DAILIES_PUBLISH__ALLOWED_TARGETS", '["s3://cdn/videos", "file:///srv/www"]')
    monkeypatch.setenv("DAILIES_PUBLISH__CREDENTIALS", credentials)

    with pytest.raises(ValidationError, match=says) as refused:
        Settings(_env_file=None)
    assert "hidden" not in str(refused.value)


def test_a_certificate_without_its_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAILIES_PROVENANCE__CERTIFICATE", "/etc/dailies/chain.pem")

    with pytest.raises(ValidationError, match="set both, or neither"):
        Settings(_env_file=None)
    monkeypatch.setenv("DAILIES_PROVENANCE__PRIVATE_KEY", "/etc/dailies/key.pem")
    assert Settings(_env_file=None).provenance.private_key == Path("/etc/dailies/key.pem")
