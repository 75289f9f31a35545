"""In mode `production` the API does not start with what only a laptop may have."""

import secrets
from typing import Any

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, temporary_settings
from pydantic import SecretStr

from api.app import create_app
from api.production import UnsafeSettingsError, check_production
from data.settings import AuditSettings, AuthSettings, Settings

GOOD = secrets.token_urlsafe(48)


def settings(mode: str = "production", audit_key: str = GOOD, **auth: Any) -> Settings:
    given = {"secrets": [SecretStr(GOOD)], **auth}
    audit = AuditSettings(key=SecretStr(audit_key) if audit_key else None)
    return Settings(mode=mode, auth=AuthSettings(**given), audit=audit, _env_file=None)  # type: ignore[arg-type]


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


def test_all_that_is_wrong_is_said_at_once() -> None:
    with temporary_settings({PREFECT_API_AUTH_STRING: None}), pytest.raises(UnsafeSettingsError) as refused:
        create_app(settings(secrets=[], required=False))

    assert len(refused.value.problems) == 3
    assert str(refused.value).count("\n- ") == 3


def test_a_laptop_is_not_asked() -> None:
    with temporary_settings({PREFECT_API_AUTH_STRING: None}):
        check_production(settings(mode="local", secrets=[]))
