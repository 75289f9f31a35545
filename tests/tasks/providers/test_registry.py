import pytest

from data.domain.engines import ENGINES
from data.domain.errors import EngineMissingError
from data.settings import GenerationSettings, ProviderSettings, Settings
from tasks.providers.base import Price, ProviderConfig
from tasks.providers.registry import Registry, create_provider, provider_configs
from tests.fakes.generation_world import HOSTILE


def test_settings_become_values_in_their_order() -> None:
    providers = [
        ProviderSettings(name="b", engine="comfyui", url="http://b:1/", price_per_generation=2, requests_per_minute=6),
        ProviderSettings(name="a", engine="storyboard"),
    ]

    configs = provider_configs(Settings(generation=GenerationSettings(providers=providers), _env_file=None))

    assert list(configs) == ["b", "a"]
    assert (configs["b"].url, configs["b"].price) == ("http://b:1", Price(2))
    assert configs["b"].limits.requests_per_minute == 6


def test_an_engine_is_any_module_that_makes_a_provider() -> None:
    registry = Registry({"x": ProviderConfig(name="x", engine=HOSTILE, url="http://127.0.0.1:9")})

    assert registry.provider("x").profile.name == "x"
    assert registry.provider("x") is registry.provider("x")


@pytest.mark.parametrize("engine", ["nowhere.to_be_found", "data.domain.model"])
def test_an_engine_that_cannot_be_loaded_is_a_typed_error(engine: str) -> None:
    with pytest.raises(EngineMissingError):
        create_provider(ProviderConfig(name="x", engine=engine))


def test_every_engine_has_a_module_of_its_own() -> None:
    assert len({engine.module for engine in ENGINES.values()}) == len(ENGINES)
