"""Nothing is paid twice: processes that work on generations are killed, at every line and at any time."""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from data.domain.errors import GenerationHeldError
from data.domain.generations import Capability, GenerationRequest
from data.domain.ledger import BreakerState, Subject
from tests.fakes.generation_worker import ends, work
from tests.fakes.generation_world import GenerationWorld, hostile, tiny_video
from tests.fakes.hostile_provider import HostileProvider

ROOT = Path(__file__).resolve().parents[2]
SENDING = ("tasks/providers/work.py", "tasks/providers/ledger.py", "tests/fakes/hostile_provider.py")
ALL = (
    *SENDING,
    "tasks/providers/generation.py",
    "tasks/providers/guard.py",
    "tasks/providers/results.py",
    "data/repositories/generations.py",
)


@pytest.fixture
def server() -> Iterator[HostileProvider]:
    with HostileProvider(tiny_video(), seed=7).running() as running:
        yield running


class Lines:
    """Counts the different lines that are come to, and does something at one of them."""

    def __init__(self, files: Sequence[str], act_at: int = 0, act: Callable[[], None] = lambda: None) -> None:
        self.seen: dict[tuple[str, int], None] = {}
        self._files = {str(ROOT / file) for file in files}
        self._act_at = act_at
        self._act = act

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in self._files:
            return None
        if event == "line":
            place = (frame.f_code.co_filename, frame.f_lineno)
            if place not in self.seen:
                self.seen[place] = None
                if len(self.seen) == self._act_at:
                    self._act()
        return self.trace


def traced(world: GenerationWorld, prompt: str, lines: Lines) -> None:
    """Generate under the eyes of a counter of lines, in this thread."""
    generator, subject = world.generator(), Subject(job_id=prompt)
    sys.settrace(lines.trace)
    try:
        generator.generate(words(prompt), subject)
    finally:
        sys.settrace(None)


def words(prompt: str) -> GenerationRequest:
    """Ask for words, which nobody needs ffprobe to look at."""
    return GenerationRequest(capability=Capability.CHAT, prompt=prompt)


def killed_at(world: GenerationWorld, prompt: str, files: Sequence[str], line: int) -> bool:
    """Generate in a process that is killed when it comes to a line; say whether it came that far."""
    child = os.fork()
    if child == 0:
        try:
            traced(world, prompt, Lines(files, line, lambda: os.kill(os.getpid(), signal.SIGKILL)))
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("able", "files"),
    [({"keys": True}, ALL), ({"keys": False, "look_up": True}, SENDING), ({"keys": False}, SENDING)],
    ids=["keys", "look-up", "neither"],
)
def test_a_process_that_is_killed_between_any_two_lines_pays_once(
    tmp_path: Path, able: dict[str, bool], files: Sequence[str]
) -> None:
    with HostileProvider(b"words").running() as server:
        world = GenerationWorld(tmp_path, hostile(server.url, options=able))
        world.generate(words("ok first"))
        counted = Lines(files)
        traced(world, "ok counted", counted)
        held = 0

        for line in range(1, len(counted.seen) + 1):
            prompt = f"ok {line}"
            assert killed_at(world, prompt, files, line), line
            try:
                assert world.store.stat(world.generate(words(prompt), job=prompt).key)
                assert server.charged_prompts[prompt] == 1, line
            except GenerationHeldError:
                held += 1
                assert server.charged_prompts[prompt] <= 1, line
            [entry] = world.entries(job_id=prompt)
            assert entry.state.value in ("stored", "held")

        assert server.charges.most_common(1)[0][1] == 1
        assert 0 < held < len(counted.seen) / 2 if able == {"keys": False} else held == 0
        world.database.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_hundred_generations_at_a_hostile_provider_with_the_worker_killed_twenty_times(
    tmp_path: Path, server: HostileProvider
) -> None:
    wild = random.Random(5)
    fates = {"ok": 150, "refuse": 12, "reject": 12, "fail": 10, "censor": 12, "never": 4}
    prompts = [f"{fate} {number}" for fate, count in fates.items() for number in range(count)]
    wild.shuffle(prompts)
    prompts.sort(key=lambda prompt: not prompt.startswith("never"))  # they take the longest
    (tmp_path / "jobs.json").write_text(json.dumps({f"job-{n}": prompt for n, prompt in enumerate(prompts)}))
    server.mishaps.submit = {"429": 0.06, "500": 0.06, "lost": 0.08, "timeout": 0.03, "nonsense": 0.06}
    server.mishaps.poll = {"429": 0.05, "500": 0.05, "nonsense": 0.05}
    server.mishaps.download = {"500": 0.1, "broken": 0.15, "text": 0.1}
    world = GenerationWorld(tmp_path, hostile(server.url))
    breaker: set[BreakerState] = set()

    for kill in range(20):
        with _worker(tmp_path, server) as worker:
            _until_it_works(worker, server)
            server.is_down = kill in (8, 9)
            _watch(world, breaker, wild.uniform(0.1, 1.2) if not server.is_down else 1.5)
        server.is_down = False
    with _worker(tmp_path, server) as worker:
        while worker.is_alive():
            _watch(world, breaker, 0.2)
    codes = {prompts[int(end["job"].removeprefix("job-"))]: end["code"] for end in map(json.loads, ends(tmp_path))}

    assert set(codes) == set(prompts)
    assert server.charges.most_common(1)[0][1] == 1, "no key is charged twice"
    paid = {prompt: count for prompt, count in server.charged_prompts.items() if prompt.startswith("ok")}
    assert paid == {prompt: 1 for prompt in prompts if prompt.startswith("ok")}
    assert {(prompt.split()[0], code) for prompt, code in codes.items()} == {
        ("ok", ""),
        ("refuse", "POLICY.GENERATION.REFUSED"),
        ("reject", "PROVIDER.GENERATION.REJECTED"),
        ("fail", "PROVIDER.GENERATION.FAILED"),
        ("censor", "POLICY.GENERATION.REFUSED"),
        ("never", "PROVIDER.GENERATION.TIMEOUT"),
    }
    assert {BreakerState.OPEN, BreakerState.CLOSED} <= breaker
    assert world.health().breaker is BreakerState.CLOSED
    entries = world.entries()
    assert all(entry.state.is_final for entry in entries)
    assert sum(entry.charged or 0.0 for entry in entries) == server.charges.total()
    world.database.close()


@contextmanager
def _worker(home: Path, server: HostileProvider) -> Iterator[BaseProcess]:
    """A worker process, forked so that it begins at once, that is killed when the block is left."""
    process = get_context("fork").Process(target=work, args=(home, server.url), daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def _until_it_works(worker: BaseProcess, server: HostileProvider) -> None:
    calls = server.calls.total()
    deadline = time.monotonic() + 60
    while server.calls.total() == calls and worker.is_alive():
        assert time.monotonic() < deadline, "the worker does not begin"
        time.sleep(0.02)


def _watch(world: GenerationWorld, seen: set[BreakerState], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        seen.add(world.health().breaker)
        time.sleep(0.05)
