"""The engine ``storyboard``: video composed of the user's own words, pictures and clips. No diffusion, no torch."""

from tasks.providers.storyboard.provider import StoryboardProvider, create

__all__ = ["StoryboardProvider", "create"]
