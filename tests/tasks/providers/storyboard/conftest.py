"""The models of this machine, and a provider that uses them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from platformdirs import user_cache_path

from tasks.models.store import ModelStore
from tasks.providers.base import ProviderConfig
from tasks.providers.storyboard import StoryboardProvider, create

MODELS = user_cache_path("dailies") / "models"
MakeProvider = Callable[..., StoryboardProvider]


@pytest.fixture(scope="session")
def models() -> ModelStore:
    """The real models, in the user's cache; fetched once."""
    return ModelStore(MODELS)


@pytest.fixture(scope="session")
def make_provider() -> MakeProvider:
    """Return a maker of providers with options of the settings."""

    def make(**options: Any) -> StoryboardProvider:
        config = ProviderConfig(
            name="storyboard", engine="storyboard", models_directory=Path(MODELS), threads=2, options=options
        )
        return create(config)

    return make
