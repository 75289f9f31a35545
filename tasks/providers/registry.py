"""Providers from the settings: values first, then clients, each made of its engine's module when it is first needed."""

import importlib
from collections.abc import Mapping

from data.domain.engines import find_engine
from data.domain.errors import EngineMissingError
from data.settings import Settings
from tasks.providers.base import Price, Provider, ProviderConfig, ProviderLimits


def provider_configs(settings: Settings) -> dict[str, ProviderConfig]:
    """Return what the settings say of each provider, by name, in their order."""
    models = settings.models
    return {
        each.name: ProviderConfig(
            name=each.name,
            engine=each.engine,
            url=each.url.rstrip("/"),
            api_key=each.api_key.get_secret_value() if each.api_key else None,
            model=each.model,
            price=Price(each.price_per_generation, each.price_per_second),
            limits=ProviderLimits(
                max_duration_seconds=each.max_duration_seconds, requests_per_minute=each.requests_per_minute
            ),
            charges_failed=each.charges_failed,
            options=each.options,
            models_directory=models.directory,
            auto_pull=models.auto_pull,
            threads=models.threads,
        )
        for each in settings.generation.providers
    }


class Registry:
    """The providers of one installation. Lives as long as its process, so that loaded models stay loaded.

    Args:
        configs: What the settings say, by name, in their order.
    """

    def __init__(self, configs: Mapping[str, ProviderConfig]) -> None:
        self.configs = dict(configs)
        self._made: dict[str, Provider] = {}

    def provider(self, name: str) -> Provider:
        """Return a provider's client.

        Raises:
            KeyError: The settings know none of that name.
            EngineMissingError: What its engine needs is not installed here.
        """
        if name not in self._made:
            self._made[name] = create_provider(self.configs[name])
        return self._made[name]


def create_provider(config: ProviderConfig) -> Provider:
    """Make a provider's client; nothing is connected or loaded yet.

    Raises:
        EngineMissingError: What its engine needs is not installed here.
    """
    engine = find_engine(config.engine)
    try:
        if engine is None:
            raise ImportError(f"there is no engine {config.engine!r}")
        create = importlib.import_module(engine.module).create
    except (ImportError, AttributeError) as error:
        raise EngineMissingError(
            f"The engine {config.engine} of the provider {config.name} cannot be loaded here: {error}.",
            {"provider": config.name, "engine": config.engine},
        ) from error
    provider: Provider = create(config)
    return provider
