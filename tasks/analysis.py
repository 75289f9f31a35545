"""Analysis: frames and sound are decoded once and looked at, and what is found is kept as files."""

import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect import task
from prefect.logging import get_run_logger
from pydantic import ValidationError

from data.database import open_database
from data.domain.analysis import AnalysisOptions, AnalysisReport
from data.domain.assets import Asset
from data.domain.costs import CostStep
from data.domain.errors import InvalidRequestError, ModelMissingError
from data.domain.identity import LOCAL_USER
from data.domain.keys import step_key
from data.domain.publications import Package, PublicationManifest
from data.publishing import current_publication
from data.repositories import AnalysisJobRepository, AssetRepository
from data.settings import get_settings
from tasks.artifacts import fetch_track, made_once, model_store, object_store, rung_up_to
from tasks.looking import SHOWN_SHORT_SIDE, Footage, Looking, analysis_plan
from tasks.media.decoding import Clip
from tasks.media.probe import probe
from tasks.media.tools import Toolset, find_tools
from tasks.models.versions import FACE_MODEL, analysis_version, detector_digest, detector_path
from tasks.policies import TASK_POLICY, tool_limits
from tasks.workspace import job_id, job_owner, workspace

_DETECTOR_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")

Version = Package | PublicationManifest
"""Renditions that can be looked at."""


def chosen_options(raw: Mapping[str, Any]) -> AnalysisOptions:
    """Return the options of an analysis that is asked for by itself.

    Raises:
        InvalidRequestError: One of them is not taken; the facts name each.
    """
    try:
        return AnalysisOptions.model_validate({**raw, "enabled": True})
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False)]
        message = f"The options of the analysis do not validate: {'; '.join(problems)}"
        raise InvalidRequestError(message, {"field": "options", "problems": problems}) from error


def known_asset(asset_id: str) -> Asset:
    """Return an asset that whoever handed the job in may see, and note that the job works on it.

    Raises:
        NotFoundError: There is none with that id.
    """
    with open_database(get_settings().catalogue_url).session() as session:
        assets = AssetRepository(session)
        asset = assets.get(asset_id)
        assets.bind_job(job_id(), asset.id, owner=None)
    return asset


def public_version(asset: Asset) -> PublicationManifest | None:
    """Return what is public of an asset."""
    return current_publication(object_store(), asset.id)[0]


@task(task_run_name="analysis", **TASK_POLICY)
def analyze_asset(asset: Asset, version: Version | None, options: AnalysisOptions) -> AnalysisReport:
    """Look at every frame that is wanted: tracks, events, zones, telemetry, and a video that shows them.

    What was found before in the same video with the same options and versions is found again.
    """
    detector = own_detector(options)
    digest = detector_digest(detector) if detector else ""
    key = step_key(
        "analysis",
        _content(asset, version),
        options.model_dump(mode="json"),
        analysis_version(options, model_store(), digest),
    )

    def make(prefix: str) -> AnalysisReport:
        with workspace() as scratch:
            footage = _footage(asset, version, scratch)
            faces = model_store().path(FACE_MODEL) if options.detector == "faces" else None
            plan = analysis_plan(footage.pictures, options, faces, detector)
            looking = Looking(scratch, _toolset())
            found = looking.look(footage, plan)
            if options.annotate:
                looking.draw(footage, plan, found.summary)
            # Two attempts at the same work never mix their files.
            report = looking.report(found, options, asset.original_name, key, f"{prefix}{secrets.token_hex(4)}/")
            for name in report.files:
                object_store().put_file(looking.directory / name, report.prefix + name)
        return report

    length = None if version is None else version.duration_seconds
    report = made_once(AnalysisReport, asset, CostStep.ANALYSIS, options, key, make, media_seconds=length)
    if job_id():
        with open_database(get_settings().catalogue_url).session() as session:
            AnalysisJobRepository(session).record(job_id(), asset.id, key, job_owner() or LOCAL_USER)
    for line in report.sentences:
        get_run_logger().info("%s", line)
    return report


def _content(asset: Asset, version: Version | None) -> str:
    if version is None:
        return asset.sha256
    return version.key if isinstance(version, Package) else version.content_key


def own_detector(options: AnalysisOptions) -> Path | None:
    """Return the file of the user's own model, if that one is to detect.

    Raises:
        InvalidRequestError: None is named, or not by a name.
        ModelMissingError: There is no such file in the folder of the settings.
    """
    if options.detector != "onnx":
        return None
    folder, name = get_settings().models.detectors, options.model.removesuffix(".onnx")
    if not _DETECTOR_NAME.fullmatch(name):
        raise InvalidRequestError("The detector `onnx` needs the name of a `model`.", {"field": "model"})
    path = detector_path(options, folder)
    if path is None:
        where = (
            "no folder of detectors is set (DAILIES_MODELS__DETECTORS)" if folder is None else "it is not in the folder"
        )
        raise ModelMissingError(f"There is no detector {name!r}: {where}.", {"model": name})
    return path


def _footage(asset: Asset, version: Version | None, scratch: Path) -> Footage:
    """Bring what is to be looked at into the workspace: a rung that is large enough, else the source."""
    store = object_store()
    if version is None:
        clip = Clip(store.fetch(asset.source_key, scratch / "source"), asset.facts)
        return Footage(clip, clip if asset.facts.audio else None)
    rung = rung_up_to(version.renditions, SHOWN_SHORT_SIDE)
    pictures = _probed(fetch_track(store, version, rung, scratch))
    if version.audio is None:
        return Footage(pictures, None)
    return Footage(pictures, _probed(store.fetch(version.prefix + version.mp4_path, scratch / "video.mp4")))


def _probed(path: Path) -> Clip:
    return Clip(path, probe(path, _toolset(), limits=tool_limits(get_settings().media)))


def _toolset() -> Toolset:
    media = get_settings().media
    return find_tools(media.ffmpeg, media.ffprobe, media.packager)
