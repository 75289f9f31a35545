"""Whether Prefect's own API is locked, as far as this process can tell."""

from prefect.settings import get_current_settings


def has_auth_string() -> bool:
    """Say whether Prefect's API is called with a password: a server that wants none is open to whoever reaches it."""
    return get_current_settings().api.auth_string is not None
