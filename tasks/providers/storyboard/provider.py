"""The provider itself: words, and the user's own pictures and clips, become a narrated, captioned, scored video.

Nothing is invented: every word that is said or shown is the user's, every picture is the user's or made of type, colour
and motion. The result says so: "storyboard: composed, not diffusion".
"""

from collections.abc import Callable
from pathlib import Path

from data.domain.generations import Capability, GenerationRequest
from tasks.media.tools import Toolset, find_tools
from tasks.models.store import ModelStore
from tasks.providers.base import MadeMedia, ProviderConfig, ProviderProfile, References
from tasks.providers.storyboard.production import VERSION, BrandFiles, Production, Workshop

_THREADS = 2
_CAPABILITIES = frozenset({Capability.TEXT_TO_VIDEO, Capability.IMAGE_TO_VIDEO})


class StoryboardProvider:
    """Composes video on this machine; a :class:`~tasks.providers.base.LocalProvider`.

    Options of the settings: ``ffmpeg``, ``ffprobe``, programs to use instead of those that are found.
    """

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._store = ModelStore(config.models_directory, auto_pull=config.auto_pull)

    @property
    def profile(self) -> ProviderProfile:
        """What it is and can do; it costs nothing."""
        return ProviderProfile(
            name=self._config.name,
            engine=self._config.engine,
            capabilities=_CAPABILITIES,
            limits=self._config.limits,
            price=self._config.price,
            version=VERSION,
            shows_references=True,
        )

    def check(self) -> None:
        """See that the tools are there; weights are fetched when they are first needed."""
        self._tools()

    def make(
        self,
        request: GenerationRequest,
        references: References,
        scratch: Path,
        on_progress: Callable[[float], None],
    ) -> MadeMedia:
        """Make a video in a scratch directory; see :meth:`tasks.providers.base.LocalProvider.make`.

        Raises:
            GenerationRejectedError: There is nothing to show, no voice for the language, or a file cannot be used.
            ModelMissingError: Weights are missing; says how to fetch them.
            DailiesError: ffmpeg failed, stalled, was killed or ran out of disk.
        """
        workshop = Workshop(self._store, self._tools(), self._config.threads or _THREADS, self._config.limits)
        brand = BrandFiles.of(request.options.brand, references)
        return Production(workshop, brand, request, references, scratch).make(on_progress)

    def _tools(self) -> Toolset:
        chosen = {name: self._config.options.get(name) for name in ("ffmpeg", "ffprobe")}
        return find_tools(**{name: Path(path) for name, path in chosen.items() if path})


def create(config: ProviderConfig) -> StoryboardProvider:
    """Make the provider; nothing is loaded yet."""
    return StoryboardProvider(config)
