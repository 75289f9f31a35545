"""What the demo shows and writes: progress while it runs, tables and ``summary.json`` at the end."""

import re
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from data.domain.jobs import step_weights
from deployments.demo_checks import Check
from deployments.demo_job import JobSnapshot

CAPTION_LINES = 4
WORD_TIME = re.compile(r"<[^>]*>")


class Display(AbstractContextManager["Display"]):
    """A bar for each step on a terminal; elsewhere a line when a step begins or the state changes."""

    def __init__(self, console: Console, first_step: str = "ingest") -> None:
        self._console = console
        self._first_step = first_step
        self._bars: dict[str, TaskID] = {}
        self._said: set[str] = set()
        self._progress = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=40),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=False,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        """Draw the bars."""
        self._bars = {
            step: self._progress.add_task(step, total=1.0, start=False) for step in step_weights({self._first_step})
        }
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bars as they are."""
        self._progress.stop()

    def show(self, snapshot: JobSnapshot) -> None:
        """Bring the display up to date."""
        if not self._console.is_terminal:
            self._say(snapshot)
            return
        for step, share in snapshot.steps.items():
            bar = self._bars.get(step)
            if bar is None:
                continue
            if step not in self._said:
                self._said.add(step)
                self._progress.start_task(bar)
            self._progress.update(bar, completed=share)

    def _say(self, snapshot: JobSnapshot) -> None:
        state = f"job is {snapshot.state.value}" + (f" ({snapshot.reason})" if snapshot.reason else "")
        for sentence in (state, *(f"step {step}" for step in snapshot.steps)):
            if sentence not in self._said:
                self._said.add(sentence)
                self._console.print(sentence, markup=False, highlight=False)


def tables(summary: dict[str, Any]) -> RenderableType:
    """Return the tables that the demo ends with; whatever comes from the video is shown as it is, not as markup."""
    asset = summary["asset"]
    parts: list[RenderableType] = [
        _renditions(asset["publication"]["renditions"], summary["quality"]),
        _captions(asset["publication"]["captions"], summary["caption_lines"]),
        _chapters(asset["publication"]["chapters"]),
        _pairs("Provenance", _provenance(asset["publication"]["provenance"])),
        _pairs("Timings", {step: f"{seconds:.1f} s" for step, seconds in summary["timings"]["steps"].items()}),
        _pairs("Checks", {check["name"]: _verdict(check) for check in summary["checks"]}),
    ]
    return Group(*parts)


def _renditions(renditions: Iterable[dict[str, Any]], quality: dict[str, dict[str, float]]) -> Table:
    table = _titled("Renditions", "name", "picture", "frames/s", "kb/s", "size", "quality")
    for rendition in renditions:
        table.add_row(
            escape(rendition["name"]),
            f"{rendition['width']}×{rendition['height']}",
            str(rendition["frame_rate"]),
            f"{rendition['average_kbps']}",
            readable_size(rendition["size_bytes"]),
            readable_quality(quality.get(rendition["name"], {})),
        )
    return table


def _captions(captions: Sequence[dict[str, Any]], lines: dict[str, list[str]]) -> Table:
    table = _titled("Captions", "language", "words", "cues", "first lines")
    for track in captions:
        first = escape("\n".join(lines.get(track["language"], [])))
        table.add_row(escape(track["language"]), str(track["word_count"]), str(track["cue_count"]), first)
    if not captions:
        table.add_row("none", "", "", "no speech was found, or captions were not asked for")
    return table


def _chapters(chapters: Sequence[dict[str, Any]]) -> Table:
    table = _titled("Chapters", "from", "to", "title")
    for chapter in chapters:
        table.add_row(
            readable_time(chapter["start_seconds"]),
            readable_time(chapter["end_seconds"]),
            escape(str(chapter["title"])),
        )
    if not chapters:
        table.add_row("–", "–", "none")
    return table


def _provenance(said: dict[str, Any]) -> dict[str, str]:
    signed = said.get("signed")
    credentials = f"in {', '.join(signed)}, signed by {said['signer']}" if signed else "none"
    return {"with AI": escape(said.get("summary") or "nothing"), "Content Credentials": escape(credentials)}


def _pairs(title: str, pairs: dict[str, str]) -> Table:
    table = _titled(title, "", "")
    table.show_header = False
    for name, value in pairs.items():
        table.add_row(escape(name), value)
    return table


def _titled(title: str, *columns: str) -> Table:
    table = Table(title=f"[bold]{title}[/bold]", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _verdict(check: dict[str, Any]) -> str:
    mark = "[green]passed[/green]" if check["passed"] else "[red]failed[/red]"
    return f"{mark}  {escape(check['detail'])}"


def readable_size(size_bytes: int) -> str:
    """Return a size as people read it, in powers of 1024."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def readable_time(seconds: float) -> str:
    """Return a position in the video as ``m:ss``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"


def readable_quality(measured: dict[str, float]) -> str:
    """Return ``VMAF 95.3`` or ``SSIM 0.9812``, or a dash where nothing was measured."""
    return ", ".join(f"{name.upper()} {value:.4g}" for name, value in measured.items()) or "–"


def first_caption_lines(webvtt: str, count: int = CAPTION_LINES) -> list[str]:
    """Return the text of the first cues without the times of their words."""
    lines: list[str] = []
    in_cue = False
    for line in webvtt.splitlines():
        if "-->" in line:
            in_cue = True
        elif not line.strip():
            in_cue = False
        elif in_cue:
            lines.append(WORD_TIME.sub("", line).strip())
    return lines[:count]


def as_records(checks: Iterable[Check]) -> list[dict[str, Any]]:
    """Return the checks as the summary holds them."""
    return [{"name": check.name, "passed": check.passed, "detail": check.detail} for check in checks]
