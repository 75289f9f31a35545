"""In mode `production` the API does not start with what only a laptop may have."""

import secrets
from typing import Any

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, temporary_settings
from pydantic import SecretStr

from api.app import create_app
from api.production import UnsafeSettingsError, check_production
from data.settings import ApiSettings, AuditSettings, AuthSettings, CatalogueSettings, Settings

GOOD = secrets.token_urlsafe(48)


def settings(
    mode: str = "production",
    audit_key: str = GOOD,
    public_url: str = "https://video.example",
    catalogue: str = "postgresql+psycopg://dailies@db.example/catalogue",
    **auth: Any,
) -> Settings:
    return Settings(
        mode=mode,  # type: ignore[arg-type]
        auth=AuthSettings(**{"secrets": [SecretStr(GOOD)], **auth}),
        audit=AuditSettings(key=SecretStr(audit_key) if audit_key else None),
        api=ApiSettings(public_url=public_url),
        catalogue=CatalogueSettings(url=catalogue),
        _env_file=None,
    )


def refusals(found: Settings, prefect_password: str | None = "admin:a password") -> tuple[str, ...]:
    with (
        temporary_settings({PREFECT_API_AUTH_STRING: prefect_password}),
        pytest.raises(UnsafeSettingsError) as refused,
    ):
        check_production(found)
    return refused.value.problems


def test_production_starts_when_all_is_as_it_must_be() -> None:
    with temporary_settings({PREFECT_API_AUTH_STRING: "admin:a password"}):
        assert create_app(settings()).title == "Dailies"


def test_production_asks_people_to_log_in() -> None:
    assert settings().is_auth_required
    [refusal] = refusals(settings(required=False))
    assert "DAILIES_AUTH__REQUIRED" in refusal


@pytest.mark.parametrize(
    "weak", [[], ["a" * 40], ["change-me-" * 5], ["please_set_a_SECRET_here_0123456789"], [GOOD, "abab" * 10]]
)
def test_production_needs_secrets_that_nobody_can_guess(weak: list[str]) -> None:
    [refusal] = refusals(settings(secrets=[SecretStr(each) for each in weak]))

    assert "DAILIES_AUTH__SECRETS" in refusal
    assert not any(each in refusal for each in weak)


@pytest.mark.parametrize("weak", ["", "short", "a" * 40, "change-me-please-0123456789-abcdefghij"])
def test_production_signs_the_audit(weak: str) -> None:
    [refusal] = refusals(settings(audit_key=weak))

    assert "DAILIES_AUDIT__KEY" in refusal


def test_production_refuses_an_open_prefect() -> None:
    [refusal] = refusals(settings(), prefect_password=None)

    assert "PREFECT_API_AUTH_STRING" in refusal


@pytest.mark.parametrize("none", ["", "/dailies", "video.example", "ftp://video.example", "https://[video"])
def test_production_knows_the_address_that_its_links_begin_with(none: str) -> None:
    [refusal] = refusals(settings(public_url=none))

    assert "DAILIES_API__PUBLIC_URL" in refusal
    assert "https://" in refusal


@pytest.mark.parametrize("one_file", ["", "sqlite:////srv/catalogue.db"])
def test_production_keeps_its_catalogue_in_a_server(one_file: str) -> None:
    [refusal] = refusals(settings(catalogue=one_file))

    assert "DAILIES_CATALOGUE__URL" in refusal
    assert "postgresql+psycopg://" in refusal


def test_all_that_is_wrong_is_said_at_once() -> None:
    with temporary_settings({PREFECT_API_AUTH_STRING: None}), pytest.raises(UnsafeSettingsError) as refused:
        create_app(settings(secrets=[], required=False, public_url="", catalogue=""))

    assert len(refused.value.problems) == 5
    assert str(refused.value).count("\n- ") == 5


def test_a_laptop_is_not_asked() -> None:
    with temporary_settings({PREFECT_API_AUTH_STRING: None}):
        check_production(settings(mode="local", secrets=[]))


def test_production_keeps_its_state() -> None:
    [refusal] = refusals(settings().model_copy(update={"in_memory": True}))

    assert "DAILIES_IN_MEMORY" in refusal
