"""Everything that a generation needs, without Prefect: a catalogue, a store, settings, and a generator for each try."""

import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from data.database import Database
from data.domain.generations import GenerationOptions, GenerationRequest
from data.domain.ledger import Generation, ProviderHealth, Subject
from data.repositories import GenerationFilter, GenerationRepository, ProviderHealthRepository
from data.settings import GenerationSettings, ProviderSettings, Settings
from data.storage import open_store
from tasks.media.tools import find_tools
from tasks.providers.generation import Generator, Rules
from tasks.providers.ledger import Ledger
from tasks.providers.registry import Registry, provider_configs
from tasks.providers.work import Patience, Surroundings
from tests.fakes.catalogues import make_catalogue

HOSTILE = "tests.fakes.hostile_provider"
QUICK = Patience(poll_seconds=0.01, timeout_seconds=20.0, attempts=3, pause_seconds=0.01)


@cache
def tiny_video() -> bytes:
    """One second of video, really encoded."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.mp4"
        source = "testsrc=size=64x36:rate=10:duration=1"
        command = [find_tools().ffmpeg, "-v", "error", "-f", "lavfi", "-i", source, "-preset", "ultrafast"]
        subprocess.run([*command, "-pix_fmt", "yuv420p", path], check=True)
        return path.read_bytes()


def hostile(url: str, name: str = "hostile", **values: Any) -> ProviderSettings:
    """Settings of a provider of the fake engine; ``options``: ``keys`` and ``look_up``, what it can."""
    return ProviderSettings(name=name, engine=HOSTILE, url=url, **{"price_per_generation": 1.0, **values})


def request(prompt: str = "ok", **options: Any) -> GenerationRequest:
    """A request for a video."""
    return GenerationRequest(prompt=prompt, options=GenerationOptions(**options))


class GenerationWorld:
    """A catalogue and a store in a folder, and providers from settings.

    Args:
        home: The folder.
        providers: Settings of the providers, in order.
        url: Of a catalogue that is there already; SQLite in the folder otherwise.
        patience: Of the work.
        rules: How providers are chosen.
    """

    def __init__(
        self,
        home: Path,
        *providers: ProviderSettings,
        url: str = "",
        patience: Patience = QUICK,
        rules: Rules | None = None,
        day_budget: float | None = None,
    ) -> None:
        self.home = home
        self.settings = Settings(home=home, generation=GenerationSettings(providers=list(providers)), _env_file=None)
        self.url = url or self.settings.catalogue_url
        if url or not (home / "catalogue.db").exists():
            make_catalogue(self.url)
        self.database = Database(self.url)
        self.store = open_store(self.settings.storage_url)
        self.registry = Registry(provider_configs(self.settings))
        self.patience = patience
        self.rules = rules or Rules(breaker_failures=100, breaker_seconds=0.2)
        self.day_budget = day_budget
        self.rate_limited: list[str] = []
        self.is_cancelled = False

    def generator(self, sleep: Callable[[float], None] = time.sleep) -> Generator:
        """A generator as a new process would make it."""
        around = self.surroundings(sleep)
        return Generator(self.registry, self.database, around, self.rules, is_cancelled=lambda: self.is_cancelled)

    def surroundings(self, sleep: Callable[[float], None] = time.sleep) -> Surroundings:
        """What work needs beside the provider, as a new process would have it."""
        return Surroundings(
            ledger=Ledger(self.database, self.day_budget),
            store=self.store,
            tools=find_tools(),
            workspace=self._workspace,
            rate_limit=self.rate_limited.append,
            patience=self.patience,
            sleep=sleep,
        )

    def generate(self, asked: GenerationRequest | str = "ok", job: str = "job", **subject: Any) -> Any:
        """Generate, as a job does."""
        wanted = request(asked) if isinstance(asked, str) else asked
        return self.generator().generate(wanted, Subject(job_id=job, **subject))

    def entries(self, **chosen: Any) -> tuple[Generation, ...]:
        """The ledger, latest first."""
        with self.database.session() as session:
            return GenerationRepository(session).page(GenerationFilter(**chosen), limit=1000)

    def states(self, **chosen: Any) -> list[str]:
        """The states of the ledger's entries, latest first."""
        return [entry.state.value for entry in self.entries(**chosen)]

    def health(self, provider: str = "hostile") -> ProviderHealth:
        """How a provider is."""
        with self.database.session() as session:
            return ProviderHealthRepository(session).get(provider)

    @contextmanager
    def _workspace(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self.home, prefix=uuid.uuid4().hex[:8]) as folder:
            yield Path(folder)
