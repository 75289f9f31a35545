"""Whether a provider would take work now: asked of it for free, and noted where everybody sees it."""

import time

from data.database import Database
from data.domain.errors import DailiesError, NotFoundError
from data.domain.model import DomainModel
from data.repositories import ProviderHealthRepository
from tasks.providers.registry import Registry


class ProviderTest(DomainModel):
    """What a test came to."""

    provider: str
    seconds: float
    code: str | None = None
    """``None``: it would take work."""
    message: str = ""


def tested(name: str, registry: Registry, database: Database) -> ProviderTest:
    """Ask a provider whether it would take work, whatever its breaker says; the breaker learns nothing from it.

    Raises:
        NotFoundError: The settings know no provider of that name.
    """
    if name not in registry.configs:
        raise NotFoundError(f"The settings know no provider {name!r}.", {"provider": name})
    began = time.monotonic()
    code, message = None, ""
    try:
        registry.provider(name).check()
    except DailiesError as error:
        code, message = error.code, error.message
    outcome = ProviderTest(provider=name, seconds=time.monotonic() - began, code=code, message=message)
    with database.session() as session:
        ProviderHealthRepository(session).note_test(name, outcome.seconds, code, message)
    return outcome
