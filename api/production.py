"""What must hold before the API faces others: in mode ``production`` it does not start without.

Each check is a function from the settings to what is wrong, as sentences; :data:`CHECKS` holds them all.
"""

from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from api.edge.cors import is_open_to_all
from data.settings import Settings

Check = Callable[[Settings], Iterable[str]]

_FEWEST_DIFFERENT_CHARACTERS = 10
_FEWEST_CHARACTERS_OF_A_KEY = 32
_DEFAULTS = ("secret", "change", "default", "example", "password", "replace")


class UnsafeSettingsError(Exception):
    """Mode ``production``, and settings that only a laptop may have. Its text has a line for each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(("DAILIES_MODE=production, but:", *(f"- {each}" for each in self.problems))))


def people_log_in(settings: Settings) -> Iterable[str]:
    """Refuse an API that takes everybody for the local user."""
    if not settings.is_auth_required:
        yield "Nobody needs to log in: DAILIES_AUTH__REQUIRED is false."


def secrets_are_secret(settings: Settings) -> Iterable[str]:
    """Refuse missing secrets, and those that somebody could guess."""
    if not settings.auth.secrets:
        yield (
            "DAILIES_AUTH__SECRETS is empty: set a JSON list with a random text, as "
            "`python -c 'import secrets; print(secrets.token_urlsafe(48))'` makes one."
        )
    for number, secret in enumerate((each.get_secret_value() for each in settings.auth.secrets), 1):
        if not _is_random(secret):
            yield f"Secret {number} of DAILIES_AUTH__SECRETS is no random text."


def audit_is_signed(settings: Settings) -> Iterable[str]:
    """Refuse an audit that whoever may write into the catalogue could replace, with all its hashes."""
    key = settings.audit.key.get_secret_value() if settings.audit.key else ""
    if len(key) < _FEWEST_CHARACTERS_OF_A_KEY or not _is_random(key):
        yield (
            f"DAILIES_AUDIT__KEY is no random text of {_FEWEST_CHARACTERS_OF_A_KEY} characters or more: nothing would "
            "prove that the audit is the one that was written."
        )


def prefect_is_locked(_: Settings) -> Iterable[str]:
    """Refuse a Prefect API that whoever reaches it can use: it starts any run, and reads every log."""
    from api.gateway.credentials import has_auth_string  # with Prefect's client: only where it is asked

    if not has_auth_string():
        yield "Prefect's API is open: set PREFECT_SERVER_API_AUTH_STRING for its server, PREFECT_API_AUTH_STRING here."


def sites_are_named(settings: Settings) -> Iterable[str]:
    """Refuse to let the scripts of every web site call."""
    if is_open_to_all(settings.api.cors_origins):
        yield "DAILIES_API__CORS_ORIGINS lets the scripts of any web site call: name the sites."


def address_is_known(settings: Settings) -> Iterable[str]:
    """Refuse to tell people and programs elsewhere of things by links that lead nowhere from there."""
    try:
        address = urlsplit(settings.api.public_url)
    except ValueError:  # brackets that hold no address
        address = urlsplit("")
    if address.scheme not in ("http", "https") or not address.hostname:
        yield (
            "DAILIES_API__PUBLIC_URL is no address, so the links in webhooks and reports would lead nowhere: set the "
            "one under which people reach this API, as `https://video.example.com`."
        )


def catalogue_is_a_server(settings: Settings) -> Iterable[str]:
    """Refuse a catalogue that one process at a time can write, on one machine."""
    if settings.catalogue_url.startswith("sqlite"):
        yield (
            "The catalogue is a SQLite file, which several processes and machines cannot share: set "
            "DAILIES_CATALOGUE__URL to a Postgres database, as `postgresql+psycopg://name:password@host/catalogue`."
        )


def state_is_kept(settings: Settings) -> Iterable[str]:
    """Refuse a service that forgets everything when it ends."""
    if settings.in_memory:
        yield "DAILIES_IN_MEMORY is true: state would be gone at the end, which is for demonstrations."


def _is_random(secret: str) -> bool:
    is_known = any(word in secret.casefold() for word in _DEFAULTS)
    return not is_known and len(set(secret)) >= _FEWEST_DIFFERENT_CHARACTERS


CHECKS: tuple[Check, ...] = (
    people_log_in,
    secrets_are_secret,
    audit_is_signed,
    prefect_is_locked,
    sites_are_named,
    address_is_known,
    catalogue_is_a_server,
    state_is_kept,
)


def check_production(settings: Settings, checks: Iterable[Check] = CHECKS) -> None:
    """Do nothing in mode ``local``, or if all is as it must be.

    Raises:
        UnsafeSettingsError: Something is not; it says what, all of it.
    """
    if settings.mode == "production":
        problems = [problem for check in checks for problem in check(settings)]
        if problems:
            raise UnsafeSettingsError(problems)
