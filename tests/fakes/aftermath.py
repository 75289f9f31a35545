"""What a fault left behind on a real stack, as a list of complaints: empty when all is as if nothing had been."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import psutil
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType

from data.database import Database
from data.domain.jobs import BATCH_TAG, ITEM_TAG, JOB_TAG
from data.domain.publications import PublicationManifest
from data.locks import HeldLock
from data.publishing import current_publication, is_whole
from data.repositories import AssetRepository, PublicationRepository
from data.storage import ObjectStore
from deployments.stack import Stack
from tasks.media.tools import find_tools
from tests.fakes.job_client import TERMINAL, JobClient

OUR_TAGS = {JOB_TAG, BATCH_TAG, ITEM_TAG}
TYPED = re.compile(r"[A-Z]+(\.[A-Z_]+)+|time_limit|infrastructure")
"""What a failed job may name as its reason."""


class Kind(StrEnum):
    """What a fault may leave, each a column of the table of faults."""

    LOST = "lost"
    ORPHAN = "orphans"
    HELD = "held slots"
    SCRATCH = "scratch"
    HALF = "half-published"
    DUPLICATE = "duplicates"


@dataclass(frozen=True)
class Complaint:
    """One thing that is not as if nothing had been."""

    kind: Kind
    text: str


def complaints(stack: Stack, store: ObjectStore, jobs: JobClient, job_ids: Sequence[str]) -> list[Complaint]:
    """Look at everything that a fault could have left, once all jobs should have ended; return what is wrong.

    Args:
        stack: The running stack.
        store: Its object store.
        jobs: A client of its API.
        job_ids: The jobs that were submitted; nothing else may have published their assets.
    """
    return [
        *_of_jobs(jobs, job_ids),
        *_of_publications(stack, store, job_ids),
        *_of_processes(stack),
        *_of_slots(stack),
        *_of_scratch(stack),
    ]


def decoding_errors(url: str) -> str:
    """Decode the whole of a published playlist, as a player would; return what the decoder complains about."""
    command = [find_tools().ffmpeg, "-v", "error", "-xerror", "-i", url, "-map", "0:v:0", "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


def _of_jobs(jobs: JobClient, job_ids: Sequence[str]) -> Iterator[Complaint]:
    """Every job has ended, and once."""
    for job_id in job_ids:
        job = jobs.job(job_id)
        if job["state"] not in TERMINAL:
            yield Complaint(Kind.LOST, f"job {job_id} is {job['state']} ({job['reason']})")
            continue
        history = jobs.http.get(f"/api/v1/jobs/{job_id}/history").json()["items"]
        if sum(entry["prefect_state"] in ("Completed", "Cancelled", "Failed") for entry in history) != 1:
            states = [entry["prefect_state"] for entry in history]
            yield Complaint(Kind.DUPLICATE, f"job {job_id} ended more than once: {states}")
        if job["state"] == "failed" and not TYPED.fullmatch(job["reason"] or ""):
            yield Complaint(Kind.LOST, f"job {job_id} failed without saying why: {job['reason']}")
        if job["state"] == "succeeded":
            errors = decoding_errors(str(jobs.http.base_url.join(jobs.publication(job)["urls"]["hls"])))
            if errors:
                yield Complaint(Kind.HALF, f"the publication of job {job_id} does not decode: {errors}")


def _of_publications(stack: Stack, store: ObjectStore, job_ids: Sequence[str]) -> Iterator[Complaint]:
    """Store and catalogue tell the same, and the store holds no version that nobody published."""
    database = Database(stack.catalogue_url)
    try:
        with database.session() as session:
            assets = set(AssetRepository(session).assets_of_jobs(job_ids).values())
            known = {asset: PublicationRepository(session).versions(asset) for asset in assets}
    finally:
        database.close()
    for asset, versions in known.items():
        yield from _of_asset(store, asset, versions)


def _of_asset(store: ObjectStore, asset: str, versions: Sequence[PublicationManifest]) -> Iterator[Complaint]:
    public, _ = current_publication(store, asset)
    if (versions[0] if versions else None) != public:
        yield Complaint(Kind.HALF, f"asset {asset}: the store's publication is not the catalogue's")
    if len(versions) > 1:
        yield Complaint(Kind.DUPLICATE, f"asset {asset} was published {len(versions)} times")
    for manifest in versions:
        if not is_whole(store, manifest):
            yield Complaint(Kind.HALF, f"asset {asset}: version {manifest.version} is not whole")
    there = {"/".join(stored.key.split("/")[:3]) + "/" for stored in store.list(f"publications/{asset}/v")}
    if stray := there - {manifest.prefix for manifest in versions}:
        yield Complaint(Kind.HALF, f"asset {asset}: files of a version that nobody published: {sorted(stray)}")


def _of_processes(stack: Stack) -> Iterator[Complaint]:
    """No tool runs, and no process of a run that has ended."""
    with SyncPrefectClient(stack.prefect_api_url) as client:
        for process in psutil.process_iter():
            try:
                environment = process.environ()
            except (psutil.Error, OSError):
                continue
            if environment.get("DAILIES_HOME") != str(stack.home):
                continue
            if environment.get("DAILIES_RUN_ID"):
                run_id = environment["DAILIES_RUN_ID"]
                yield Complaint(Kind.ORPHAN, f"a tool is left: {process.name()} ({process.pid}) of run {run_id}")
            elif run_id := environment.get("PREFECT__FLOW_RUN_ID"):
                run = client.read_flow_run(UUID(run_id))
                if set(run.tags) & OUR_TAGS:
                    yield Complaint(Kind.ORPHAN, f"process {process.pid} of run {run_id} is left")


def _of_slots(stack: Stack) -> Iterator[Complaint]:
    """No run of ours holds a slot of a work pool (upkeep may), no encode slot is taken, and nobody waits for one."""
    held = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    wanted = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=held)))
    with SyncPrefectClient(stack.prefect_api_url) as client:
        for run in client.read_flow_runs(flow_run_filter=wanted):
            if run.work_pool_name in ("cpu", "gpu") or set(run.tags) & OUR_TAGS:
                yield Complaint(Kind.HELD, f"run {run.name} ({run.id}) holds a slot: {run.state_name}")
    for path in sorted((stack.home / "slots").glob("*-*")):  # a file that nobody has locked means nothing
        lock = HeldLock.take(path)
        if lock is None:
            yield Complaint(Kind.HELD, f"{path.name} of the encode slots is held")
        else:
            lock.release()


def _of_scratch(stack: Stack) -> Iterator[Complaint]:
    for path in sorted((stack.home / "scratch").iterdir()):
        if path.is_dir():
            yield Complaint(Kind.SCRATCH, f"a directory is left: {path.name}")
