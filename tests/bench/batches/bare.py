"""The same clips without Dailies: the encodes alone by `xargs -P`, and all their media work by a pool of processes."""

import multiprocessing
import os
import shlex
import subprocess
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from data.domain.assets import Asset
from data.domain.keys import asset_id, source_key
from data.domain.provenance import Agent
from data.domain.publications import GeneratedArtifacts, Package
from data.domain.recipes import Recipe
from data.settings import get_settings
from tasks.costs import processor_seconds
from tasks.media.arguments import WorkFiles, encode_arguments
from tasks.media.certificates import SigningIdentity
from tasks.media.checks import check_candidate
from tasks.media.content_credentials import ClaimedSource
from tasks.media.cores import usable_cores
from tasks.media.local_certificate import local_identity
from tasks.media.opening import Opener
from tasks.media.plan import plan_encode
from tasks.media.probe import SAFE_INPUT_ARGUMENTS, probe
from tasks.media.process import Limits
from tasks.media.tools import Toolset
from tasks.media.transcode import transcode
from tasks.provenance import provenance_of
from tasks.publication import draft_manifest
from tasks.signing import sign_candidate, to_be_signed
from tests.bench.batches.processor import of_ended_children


@dataclass(frozen=True)
class BareWork:
    """What work without Dailies took."""

    seconds: float
    processor: float
    """CPU-seconds."""


def by_xargs(tools: Toolset, clips: list[Path], recipe: Recipe) -> BareWork:
    """Return what the bare encodes take, as many at once as there are cores, with the transcode step's commands."""
    with tempfile.TemporaryDirectory(prefix="dailies-bench-") as scratch:
        commands = _encode_commands(tools, clips, recipe, Path(scratch))
        before, started = of_ended_children(), time.perf_counter()
        subprocess.run(
            [
                "nice",
                "-n",
                str(get_settings().orchestration.niceness),
                "xargs",
                "-0",
                "-n",
                "1",
                "-P",
                str(usable_cores()),
                "sh",
                "-c",
                'eval "$0"',
            ],
            input="\0".join(commands).encode(),
            check=True,
        )
        return BareWork(time.perf_counter() - started, of_ended_children() - before)


def by_pool(tools: Toolset, clips: list[Path], recipe: Recipe) -> BareWork:
    """Return what all media work, from probing to signing and the gate, takes in as many processes as there are cores.

    These are the very functions that the steps call, with every program that they run, and they give way to others as
    the steps do: what a batch takes beyond it is orchestration (Prefect, the feed, the catalogue, the object store,
    slots).
    """
    # Spawned and kept: what a process costs to start is nobody's media work.
    with (
        tempfile.TemporaryDirectory(prefix="dailies-bench-") as scratch,
        ProcessPoolExecutor(
            usable_cores(), multiprocessing.get_context("spawn"), os.nice, (get_settings().orchestration.niceness,)
        ) as pool,
    ):
        local_identity(Path(scratch))
        list(pool.map(time.sleep, [0.5] * usable_cores()))
        started = time.perf_counter()
        used = sum(pool.map(partial(_whole_item, tools=tools, recipe=recipe, scratch=Path(scratch)), clips))
        return BareWork(time.perf_counter() - started, used)


def _whole_item(path: Path, *, tools: Toolset, recipe: Recipe, scratch: Path) -> float:
    """Do all the media work of one clip; return the CPU-seconds that it took."""
    began = processor_seconds()
    sha256 = "0" * 64
    facts = probe(path, tools)
    asset = Asset(
        id=asset_id(sha256), sha256=sha256, source_key=source_key(sha256), original_name=path.name, facts=facts
    )
    work = scratch / path.stem
    directory = work / "package"
    directory.mkdir(parents=True)
    package = transcode(
        path,
        asset,
        recipe,
        key="bench",
        prefix="bench/",
        directory=directory,
        scratch=work,
        tools=tools,
        encode_slot=lambda: nullcontext(1),
        limits=Limits(),
    )
    with path.open("rb") as content:
        signed = _signed(directory, asset, package, recipe, content, local_identity(scratch), work)
    gate = check_candidate(directory, signed, facts, recipe.gate, tools=tools, scratch=work)
    assert not gate.refusals, gate
    return processor_seconds() - began


def _signed(
    directory: Path,
    asset: Asset,
    package: Package,
    recipe: Recipe,
    content: BinaryIO,
    identity: SigningIdentity,
    scratch: Path,
) -> Package:
    """Sign what the publish step signs; return the package with the sizes that its files have then."""
    made = GeneratedArtifacts()
    said = to_be_signed(provenance_of(asset, package, made, None, lambda name: Agent(name=name)), package, identity)
    draft = draft_manifest(asset, package, made, recipe, "", 1, "bench", said)
    source = ClaimedSource("Source", asset.sha256, "video/mp4", content)
    sizes = sign_candidate(directory, draft, identity, source, scratch)
    return package.model_copy(update={"files": {**package.files, **sizes}})


def _encode_commands(tools: Toolset, clips: list[Path], recipe: Recipe, scratch: Path) -> list[str]:
    commands = []
    for path in clips:
        facts = probe(path, tools)
        work = WorkFiles(scratch / path.stem)
        work.directory.mkdir()
        arguments = encode_arguments(
            path, facts, recipe, plan_encode(facts, recipe), work, Opener(SAFE_INPUT_ARGUMENTS, 1)
        )
        argv = [str(tools.ffmpeg), "-hide_banner", "-nostdin", "-nostats", "-y", *map(str, arguments)]
        commands.append(f"{shlex.join(argv)} 2> {shlex.quote(str(work.log))}")
    return commands
