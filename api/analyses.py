"""Analyses of assets as the API shows them: found by asset or by job, and their events page by page."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from api.analysis_schemas import AnalysisAnswer, EventQuery
from api.asset_views import analysis_links
from api.cursors import decode_event, encode_event
from api.dependencies import Services
from api.links import analysis_url, events_url
from api.schemas import Job, Page
from data.domain.analysis import AnalysisFile, AnalysisOptions, AnalysisReport, AnalysisSummary, Event
from data.domain.errors import AnalysisExpiredError, InvalidRequestError, NotFoundError
from data.domain.publications import PublicationManifest
from data.recipes import load_recipe
from data.repositories import (
    AnalysisJob,
    AnalysisJobRepository,
    ArtifactRepository,
    AssetRepository,
    StoredArtifact,
)
from data.storage import ObjectStore

_KIND = "analysis"
_MOST_READ_BYTES = 8 * 1024 * 1024
"""Of events, for one page; a page that finds little in so much is short."""


@dataclass(frozen=True)
class FoundAnalysis:
    """An analysis, and when and for whom it was made."""

    asset_id: str
    report: AnalysisReport
    created_at: datetime
    job_id: str | None


def asset_name(asset_id: str, services: Services) -> str:
    """Return what an asset's source was called.

    Raises:
        NotFoundError: There is no such asset.
    """
    with services.database.session() as session:
        return AssetRepository(session).get(asset_id, services.caller.only_owner).original_name


def find_analysis(asset_id: str, services: Services, key: str | None = None) -> FoundAnalysis:
    """Return the latest analysis of an asset, or the one that is named, that a job of the caller's came to.

    What is public with the asset anybody may see. Whoever sees everybody's jobs sees the analyses of all of them.

    Raises:
        NotFoundError: There is none, or no such asset.
        AnalysisExpiredError: There was one, and its files were cleared away.
    """
    owner = services.caller.only_owner
    with services.database.session() as session:
        AssetRepository(session).get(asset_id, owner)
        jobs = AnalysisJobRepository(session).of_asset(asset_id, owner)
        made = {each.key: each for each in ArtifactRepository(session).of_asset(asset_id) if each.kind == _KIND}
    wanted = [job for job in jobs if key is None or job.key == key]
    for job in wanted:
        if job.key in made:
            return _found(made[job.key], job.job_id)
    unclaimed = [each for each in made.values() if key in (None, each.key)] if owner is None else []
    if unclaimed:
        return _found(unclaimed[0], unclaimed[0].job_id)
    published = services.publications.current(asset_id)
    if published is not None and published.analysis is not None and key in (None, published.analysis.key):
        return _of_publication(published, services.store)
    if wanted:
        raise _expired(wanted[0])
    which = "that analysis" if key else "analysis"
    raise NotFoundError(f"There is no {which} of asset {asset_id}.", {"asset_id": asset_id})


def analysis_of_job(job: Job, asset_id: str | None, services: Services) -> FoundAnalysis:
    """Return the analysis that a job made, or found again since it had been made before.

    Raises:
        NotFoundError: It made none, or not yet.
        AnalysisExpiredError: Its files were cleared away.
    """
    with services.database.session() as session:
        own = AnalysisJobRepository(session).of_job(job.id)
        kept = [] if asset_id is None else ArtifactRepository(session).of_asset(asset_id)
    made = [each for each in kept if each.kind == _KIND and (own is None or each.key == own.key)]
    if own is None and made:  # a run that the job handed its AI steps to has the record
        options = _wanted(job, services)
        made = [each for each in made if AnalysisReport.model_validate(each.details).options == options]
    if made:
        return _found(made[0], job.id)
    if own is None:
        raise NotFoundError(f"There is no analysis of job {job.id}.", {"job_id": job.id})
    published = services.publications.current(own.asset_id)
    if published is not None and published.analysis is not None and published.analysis.key == own.key:
        return _of_publication(published, services.store)
    raise _expired(own)


def show_analysis(found: FoundAnalysis) -> AnalysisAnswer:
    """Return an analysis as the API shows it."""
    report, asset_id = found.report, found.asset_id
    return AnalysisAnswer(
        asset_id=asset_id,
        key=report.key,
        created_at=found.created_at,
        job_id=found.job_id,
        options=report.options,
        summary=report.summary,
        sentences=report.sentences,
        events=f"{events_url(asset_id)}?analysis={report.key}",
        urls=analysis_links(report.files, lambda name: analysis_url(asset_id, report.key, "files", name)),
    )


def page_of_events(
    store: ObjectStore, report: AnalysisReport, query: EventQuery, after: str | None, limit: int
) -> Page[Event]:
    """Return a page of the events of an analysis, by time.

    Raises:
        InvalidRequestError: ``after`` is no cursor of this analysis.
    """
    size = report.files.get(AnalysisFile.EVENTS, 0)
    begin = _begin(store, report, after, size) if after else 0
    found: list[Event] = []
    for line, end in _lines(store, report.prefix + AnalysisFile.EVENTS, begin, size):
        event = Event.model_validate_json(line)
        if query.to_seconds is not None and event.at_seconds > query.to_seconds:
            break  # they are told by time
        if _is_wanted(event, query):
            found.append(event)
        if end < size and (len(found) == limit or end - begin >= _MOST_READ_BYTES):
            return Page[Event](items=tuple(found), next=encode_event(report.key, end))
    return Page[Event](items=tuple(found))


def _begin(store: ObjectStore, report: AnalysisReport, after: str, size: int) -> int:
    """Return the place that a cursor names, if a line ends before it: it may be anybody's.

    Raises:
        InvalidRequestError: It is no cursor of this analysis.
    """
    begin, key = decode_event(after, report.key), report.prefix + AnalysisFile.EVENTS
    if not 0 < begin < size or b"".join(store.read_range(key, begin - 1, begin)) != b"\n":
        raise InvalidRequestError("The cursor is none of this analysis.", {"field": "after"})
    return begin


def _lines(store: ObjectStore, key: str, begin: int, size: int) -> Iterator[tuple[bytes, int]]:
    """Give the lines of an object from a place on, each with the place where it ends."""
    if begin >= size:
        return
    rest, at = b"", begin
    for chunk in store.read_range(key, begin, size):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            at += len(line) + 1
            yield line, at


def _is_wanted(event: Event, query: EventQuery) -> bool:
    return (
        (not query.kinds or event.kind in query.kinds)
        and (query.track is None or event.track == query.track)
        and (query.zone is None or event.zone == query.zone)
        and (query.from_seconds is None or event.at_seconds >= query.from_seconds)
    )


def _wanted(job: Job, services: Services) -> AnalysisOptions:
    """Return what a job was to look for."""
    if job.analysis is not None:
        return AnalysisOptions.model_validate({**job.analysis, "enabled": True})
    return load_recipe(job.recipe or "default", services.settings.recipe_folder).with_overrides(job.overrides).analysis


def _expired(job: AnalysisJob) -> AnalysisExpiredError:
    return AnalysisExpiredError(
        f"The analysis that job {job.job_id} made of asset {job.asset_id} was cleared away, as what nobody asks for is."
        f" Order it again: `python -m flows asset analyze {job.asset_id}`, or `analyze` of the asset in the API.",
        {"asset_id": job.asset_id, "job_id": job.job_id, "analysis": job.key},
    )


def _found(artifact: StoredArtifact, job_id: str | None) -> FoundAnalysis:
    report = AnalysisReport.model_validate(artifact.details)
    return FoundAnalysis(artifact.asset_id, report, artifact.created_at, job_id)


def _of_publication(manifest: PublicationManifest, store: ObjectStore) -> FoundAnalysis:
    """Return the analysis that was published with a version: the version's own copy outlives the others."""
    published = manifest.analysis
    assert published is not None
    folder = published.paths[AnalysisFile.SUMMARY].removesuffix(AnalysisFile.SUMMARY)
    summary = store.get_bytes(manifest.prefix + published.paths[AnalysisFile.SUMMARY])
    report = AnalysisReport(
        key=published.key,
        prefix=manifest.prefix + folder,
        options=published.options,
        summary=AnalysisSummary.model_validate_json(summary),
        sentences=published.sentences,
        files={name: manifest.files[path] for name, path in published.paths.items()},
    )
    return FoundAnalysis(manifest.asset_id, report, manifest.published_at, manifest.job_id)
