"""``python -m deployments.demo`` (``make demo``): one real video from source to player on a stack of its own."""

import argparse
import json
import logging
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urljoin

from rich.console import Console

from data.domain.errors import DailiesError
from data.domain.jobs import JobState
from data.domain.keys import publication_manifest_key, source_key
from data.domain.publications import PublicationManifest
from data.settings import MediaSettings, get_settings
from data.storage import open_store
from deployments import postgres
from deployments.demo_checks import Check, Comparison, decodes, measure
from deployments.demo_clip import CLIP_TITLE, demo_clip
from deployments.demo_job import Course, DailiesApi, JobSnapshot
from deployments.demo_report import Display, as_records, first_caption_lines, tables
from deployments.detached import DetachedStack
from deployments.environment import isolated
from deployments.errors import StackError
from deployments.note import stop_running
from deployments.stack import Stack
from deployments.up import stop_on_signals
from tasks.media.contact_sheet import write_contact_sheet
from tasks.media.tools import Toolset, find_tools

RECIPE = "default"


class RunningStack(Protocol):
    """What the demo needs of a stack, be it its own or a detached one."""

    @property
    def api_url(self) -> str:
        """Where the REST API and the player are."""

    @property
    def prefect_ui_url(self) -> str:
        """Where the Prefect UI is."""

    @property
    def timings(self) -> dict[str, float]:
        """Seconds that each component took to get ready."""

    def check(self) -> None:
        """Raise when a component has died."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out the command line and return its exit status: 0 only when what was published really decodes."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    home = options.home.expanduser().resolve()
    console = Console()
    stop_on_signals()
    try:
        if options.forget:
            forget(home)
            return 0
        return 0 if _demonstrate(home, options.video, options.prompt, options.keep, console) else 1
    except KeyboardInterrupt:
        return 130
    except DailiesError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False)
        return 1


def _demonstrate(home: Path, video: Path | None, prompt: str, keep: bool, console: Console) -> bool:
    began = time.monotonic()
    # From nothing each time: what an earlier demo made would be found, and nothing encoded.
    forget(home)
    environment = isolated()
    if prompt:
        demo = Demo(home, {"prompt": prompt}, "", began, console)
    else:
        source = video.expanduser().resolve() if video else _own_clip(console)
        if not source.is_file():
            raise StackError(f"There is no video at {source}.", {"path": str(source)})
        environment["DAILIES_INGEST__ALLOWED_ROOTS"] = json.dumps([str(source.parent)])
        demo = Demo(home, {"source": str(source)}, source.stem if video else CLIP_TITLE, began, console)
    if not keep:
        with Stack(home, environment=environment, report=demo.say) as stack:
            passed = demo.run(stack)
        demo.say_where()
        return passed
    detached = DetachedStack(home, environment)
    try:
        passed = demo.run(detached)
    except BaseException:
        detached.stop()
        raise
    console.print(f"The stack keeps running: {detached.api_url} and {detached.prefect_ui_url}.", highlight=False)
    console.print(f"Stop it with: {detached.how_to_stop}", soft_wrap=True, highlight=False)
    demo.say_where()
    return passed


def forget(home: Path) -> None:
    """Delete what an earlier demo left in its home, its database included (it may lie elsewhere)."""
    if not home.exists():
        return
    stop_running(home)
    postgres.forget(home)
    shutil.rmtree(home)


def _own_clip(console: Console) -> Path:
    console.print("Getting the demo's clip …", style="dim")
    return demo_clip()


class Demo:
    """One run of the demo.

    Args:
        home: State directory of its stack; the summary goes there.
        begin: What the job begins with: the path of its ``source``, or its ``prompt``.
        title: What the publication is called; empty leaves it to what the job begins with.
        began: When the demo began, in seconds of the monotonic clock.
        console: Where it is shown.
    """

    def __init__(self, home: Path, begin: Mapping[str, str], title: str, began: float, console: Console) -> None:
        self._home = home
        self._begin = begin
        self._title = title
        self._began = began
        self._console = console
        self._tools = _tools(get_settings().media)
        self._summary_path: Path | None = None

    def say(self, sentence: str) -> None:
        """Show a sentence in passing."""
        self._console.print(sentence, style="dim", markup=False, highlight=False)

    def say_where(self) -> None:
        """Show where the video, the sheet of its stills and the summary lie, if they were made."""
        if self._summary_path is not None:
            for path in (self._home / "video.mp4", self._home / "contact-sheet.png", self._summary_path):
                self._console.print(str(path), soft_wrap=True, markup=False, highlight=False)

    def run(self, stack: RunningStack) -> bool:
        """Process the source, show the outcome, write the summary; say whether all checks passed."""
        api = DailiesApi(stack.api_url)
        try:
            course = Course()
            job = self._watch(api, course, stack)
            if job.state is not JobState.SUCCEEDED:
                self._show_failure(api, job)
                return False
            summary = self._summary(stack, api, job, course)
        finally:
            api.close()
        summary["timings"]["total"] = round(time.monotonic() - self._began, 2)
        self._console.print(tables(summary))
        self._console.print("[bold]Links[/bold]")
        for name, link in summary["links"].items():
            # Never wrapped: people click and copy them.
            self._console.print(f"{name:<12}{link}", soft_wrap=True, markup=False, highlight=False)
        path = self._home / "summary.json"
        path.write_text(json.dumps(summary, indent=2, default=str, ensure_ascii=False), "utf-8")
        self._summary_path = path
        return all(check["passed"] for check in summary["checks"])

    def _watch(self, api: DailiesApi, course: Course, stack: RunningStack) -> JobSnapshot:
        latest = api.submit(self._begin, self._title, RECIPE)
        with Display(self._console, "ingest" if "source" in self._begin else "make") as display:
            for snapshot in api.follow(latest.id, course, stack.check):
                display.show(snapshot)
                latest = snapshot
        return latest

    def _show_failure(self, api: DailiesApi, job: JobSnapshot) -> None:
        self._console.print(f"The job {job.state.value}: {job.reason}", style="bold red", markup=False)
        self._console.print(job.message or "", markup=False, highlight=False)
        for line in api.last_log_lines(job.id):
            self._console.print(f"  {line}", soft_wrap=True, markup=False, highlight=False)

    def _summary(self, stack: RunningStack, api: DailiesApi, job: JobSnapshot, course: Course) -> dict[str, Any]:
        if job.asset_id is None:
            raise StackError("The job succeeded, but the API does not say which asset it made.", {"job": job.id})
        asset = api.asset(job.asset_id)
        publication = asset["publication"]
        links = {name: api.absolute(address) for name, address in publication["urls"].items() if address}
        manifest = _manifest(self._home, job.asset_id)
        return {
            "job": {"id": job.id, "state": job.state.value, "reason": job.reason, **self._begin},
            "asset": asset,
            "states": course.states,
            "history": api.history(job.id),
            "timings": {"steps": course.seconds_by_step(), "stack": stack.timings},
            "files": [{"path": path, "size_bytes": size} for path, size in sorted(manifest.files.items())],
            "links": {**links, "prefect_run": api.absolute(job.links.get("prefect", stack.prefect_ui_url))},
            "quality": self._quality(self._source(manifest), publication, links["hls"]),
            "made": self._keep(manifest),
            "caption_lines": {
                track["language"]: first_caption_lines(api.text(track["vtt_url"])) for track in publication["captions"]
            },
            "checks": as_records(self._checks(publication, links["hls"])),
            "tools": manifest.tools.model_dump(mode="json"),
        }

    def _checks(self, publication: dict[str, Any], hls_url: str) -> list[Check]:
        log_path = self._home / "log" / "demo-decode.log"
        outcomes = [check["outcome"] for check in publication["gate"]["checks"]]
        gate = f"{outcomes.count('passed')} passed, {outcomes.count('warned')} warned"
        return [
            decodes(hls_url, publication["duration_seconds"], self._tools, log_path),
            Check("the publish gate let it through", "refused" not in outcomes, gate),
        ]

    def _source(self, manifest: PublicationManifest) -> Path:
        """Return the video that the renditions were made of: the one handed in, or the one made of words."""
        handed_in = self._begin.get("source")
        return Path(handed_in) if handed_in else self._home / "store" / source_key(manifest.source_sha256)

    def _keep(self, manifest: PublicationManifest) -> dict[str, str]:
        """Put the published MP4 and a sheet of its stills beside the summary, where they are found."""
        video, sheet = self._home / "video.mp4", self._home / "contact-sheet.png"
        store = open_store(f"file://{self._home / 'store'}")
        store.fetch(manifest.prefix + manifest.mp4_path, video)
        write_contact_sheet(video, sheet, self._tools)
        return {"video": str(video), "contact_sheet": str(sheet)}

    def _quality(self, source: Path, publication: dict[str, Any], hls_url: str) -> dict[str, dict[str, float]]:
        comparison = Comparison.of(source, publication, urljoin(hls_url, "."))
        log_path = self._home / "log" / "demo-quality.log"
        renditions = publication["renditions"]
        return {one["name"]: measure(comparison, one, self._tools, log_path) for one in renditions}


def _manifest(home: Path, asset_id: str) -> PublicationManifest:
    """Read what is public from the demo's own store: the API lists what people need, not every file."""
    store = open_store(f"file://{home / 'store'}")
    return PublicationManifest.model_validate_json(store.get_bytes(publication_manifest_key(asset_id)))


def _tools(media: MediaSettings) -> Toolset:
    return find_tools(media.ffmpeg, media.ffprobe, media.packager)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deployments.demo", description=__doc__)
    parser.add_argument("--video", type=Path, help="your own video instead of the demo's clip")
    parser.add_argument("--prompt", default="", help="make a video of these words instead")
    parser.add_argument("--keep", action="store_true", help="keep the stack running afterwards")
    parser.add_argument("--home", type=Path, default=get_settings().home_path / "demo", help="state directory")
    parser.add_argument("--forget", action="store_true", help="only delete the state directory and its database")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
