"""Which engines can make generations: the names that settings take, and the module that knows each.

An engine is one module with ``create(config: ProviderConfig) -> Provider`` (:mod:`tasks.providers.base`) and one line
here. It is imported when a provider of it is first used, so that what it needs may be missing elsewhere. A dotted path
in the place of a name takes a module of one's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Engine:
    """What is known of an engine without importing it."""

    module: str
    """Dotted path of its module."""
    needs_url: bool = False


ENGINES: Mapping[str, Engine] = MappingProxyType(
    {
        "storyboard": Engine("tasks.providers.storyboard"),
        "diffusers": Engine("tasks.providers.diffusers"),
        "comfyui": Engine("tasks.providers.comfyui", needs_url=True),
        "openai_videos": Engine("tasks.providers.openai_videos", needs_url=True),
    }
)


def find_engine(name: str) -> Engine | None:
    """Return the engine of a name, or of a dotted path; ``None`` where there is none."""
    return ENGINES.get(name) or (Engine(name) if "." in name.strip(".") else None)
