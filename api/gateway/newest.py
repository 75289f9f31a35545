"""The newest jobs as they were a moment ago: the first pages of lists are cut from them, whoever turns them.

Each page of each cursor would be several calls to Prefect; so one call reads the runs that were due last, and every
page that lies wholly within them is cut from those, by the same rules as :mod:`api.gateway.listing`. What does not is
left to it. Nothing here is remembered of a run but what Prefect said in that one answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

from api.coalescing import CoalescedReads
from api.cursors import JobPosition
from api.gateway.listing import listed_order, matches, types_of
from api.gateway.runs import due, job_filter
from api.gateway.translation import translated
from api.schemas import Job, JobQuery, Page
from data.domain.identity import owner_tag

DEPTHS = (64, 128, 199)
"""How many runs are read: enough for two pages, and for what arrives between one and the other."""
ARRIVING = 20
"""So many jobs may arrive while a second page is turned to."""
CROWD = 2
"""So many lists asked for within one turn are read ahead: many people look at the same one."""
MOST_KEPT = 16
"""Of lists, by owner and depth; each holds 199 runs at most, of some 10 KB as a rule."""

NewestKey = tuple[str | None, int]
"""Whose jobs (``None``: everybody's), and how many."""
JobsOf = Callable[[Sequence[FlowRun]], Awaitable[Sequence[Job]]]


@dataclass(frozen=True)
class Newest:
    """The runs of jobs that were due last, as Prefect had them at one moment: none between two of them is missing."""

    runs: tuple[FlowRun, ...]
    """As they are listed."""
    are_all: bool
    """There are no others."""
    jobs: Mapping[UUID, Job]

    def page(
        self, query: JobQuery, position: JobPosition | None, limit: int, crash_attempts: int, owner: str | None
    ) -> Page[Job] | None:
        """Return the page that Prefect's runs of that moment made; ``None`` if it takes older ones, too."""
        found: list[Job] = []
        last = position
        for run in self._candidates(query, position, owner):
            if len(found) == limit:
                return Page(items=tuple(found), next=last.encode() if last else None)
            last = JobPosition(due(run), run.id)
            if matches(run, query, crash_attempts):
                found.append(self.jobs[run.id])
        ends_within = self.are_all or _begins_after(query, self.runs)
        return Page(items=tuple(found)) if ends_within else None

    def _candidates(self, query: JobQuery, position: JobPosition | None, owner: str | None) -> Iterator[FlowRun]:
        """Return the runs behind a position that Prefect would be asked for."""
        types = types_of(query)
        for run in self.runs:
            if owner is not None and owner_tag(owner) not in run.tags:
                continue
            if types and (run.state is None or run.state.type not in types):
                continue
            if query.created_after and due(run) < query.created_after:
                continue
            if _follows(run, query, position):
                yield run


class NewestPages:
    """Cuts pages from the newest jobs. Lives as long as the application.

    Args:
        client: Prefect's.
        jobs_of: Returns runs as jobs, each in its place.
        crash_attempts: How often a run may start before a crash is final.
        keep_seconds: How old what Prefect said may be when it is told; 0: nothing is kept, and nothing cut.
    """

    def __init__(self, client: PrefectClient, jobs_of: JobsOf, crash_attempts: int, keep_seconds: float) -> None:
        self._client = client
        self._jobs_of = jobs_of
        self._crash_attempts = crash_attempts
        self._keeps = keep_seconds > 0
        self._newest = CoalescedReads(self._read, keep_seconds=keep_seconds, most=4, crowd=CROWD, most_kept=MOST_KEPT)

    async def close(self) -> None:
        """Stop what is being read."""
        await self._newest.close()

    async def page(
        self, query: JobQuery, position: JobPosition | None, limit: int, owner: str | None
    ) -> Page[Job] | None:
        """Return a page, or ``None`` if Prefect has to be asked for that very page.

        Args:
            query: What is asked for.
            position: The last job of the page before.
            limit: Most jobs of the page.
            owner: Whose jobs alone; ``None``: everybody's.
        """
        whose = owner or query.owner
        if not self._keeps or limit >= DEPTHS[-1] or query.owner not in (None, whose):
            return None
        depth = next((each for each in DEPTHS if each >= 2 * limit + ARRIVING), DEPTHS[-1])
        is_first = position is None and query == JobQuery(owner=query.owner)
        for key in dict.fromkeys([(None, depth), (whose, depth)]):
            known = self._newest.lately(key)
            page = known.page(query, position, limit, self._crash_attempts, whose) if known else None
            if page is None and not (is_first and key[0] == whose):
                continue  # nothing need be read of which perhaps nothing can be cut
            newest = await self._newest.get(key)
            assert newest is not None, "there is always a list, if only an empty one"
            if newest is not known:
                page = newest.page(query, position, limit, self._crash_attempts, whose)
            if page is not None:
                return page
        return None

    async def _read(self, keys: Sequence[NewestKey]) -> dict[NewestKey, Newest]:
        return dict(zip(keys, await asyncio.gather(*(self._read_newest(*key) for key in keys)), strict=True))

    async def _read_newest(self, owner: str | None, depth: int) -> Newest:
        with translated():
            rows = await self._client.read_flow_runs(
                flow_run_filter=job_filter((), owner), sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=depth
            )
        runs, are_all = without_gaps(rows, depth)
        jobs = await self._jobs_of(runs)
        return Newest(runs, are_all, {run.id: job for run, job in zip(runs, jobs, strict=True)})


def without_gaps(rows: Sequence[FlowRun], asked: int) -> tuple[tuple[FlowRun, ...], bool]:
    """Return those of the newest runs between which none is missing, as they are listed, and whether they are all.

    Prefect sorts by due time alone: of those that are due when the last one is, some may be missing.

    Args:
        rows: What Prefect answered, the latest due first.
        asked: How many it was asked for.
    """
    are_all = len(rows) < asked
    whole = rows if are_all else [run for run in rows if due(run) > due(rows[-1])]
    return tuple(sorted(whole, key=listed_order)), are_all


def _follows(run: FlowRun, query: JobQuery, position: JobPosition | None) -> bool:
    if position is not None:
        return (due(run), run.id) < (position.due_at, position.id)
    return query.created_before is None or due(run) <= query.created_before


def _begins_after(query: JobQuery, runs: Sequence[FlowRun]) -> bool:
    """Say whether no older run can be asked for."""
    return bool(runs) and query.created_after is not None and due(runs[-1]) < query.created_after
