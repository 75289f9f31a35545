"""Looking at one video, without a task around it: decode, analyse, draw, and gather the files of a report."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.domain.analysis import AnalysisFile, AnalysisOptions, AnalysisReport, AnalysisSummary
from data.settings import get_settings
from tasks.media.decoding import Clip, DecodeContext, decoded_pictures, decoded_planes, decoded_sound
from tasks.media.drawn_over import DrawnOver, write_drawn_over
from tasks.media.frames import Picture, shown
from tasks.media.normalise import is_bt709
from tasks.media.slots import holding_slot
from tasks.media.tools import Toolset
from tasks.models.analysis.analysing import analyse
from tasks.models.analysis.opening import is_small, wanted_long_side
from tasks.models.analysis.plan import Analysis, AnalysisPlan, Sampled, sampled
from tasks.policies import encode_slots, tool_limits
from tasks.progress import report_progress
from tasks.showing.annotating import Annotator, Scene
from tasks.showing.charts import events_chart, heat_map, write_png
from tasks.showing.positions import Positions
from tasks.showing.recording import Recorder
from tasks.showing.sentences import markdown, sentences
from tasks.showing.tables import read_tracks
from tasks.stopping import waiting
from tasks.workspace import encode_rank, run_id

SHOWN_SHORT_SIDE = 720
"""Pixels of the annotated video on its shorter side, at most."""
_SOUND_BLOCK_SAMPLES = 240_000
_KEPT_TRACKS = 50
"""In the record; all are in ``summary.json``."""
_LOOKING_SHARE = 0.7


@dataclass(frozen=True)
class Footage:
    """What is looked at."""

    pictures: Clip
    sound: Clip | None
    """``None`` where there is none."""


def analysis_plan(
    clip: Clip, options: AnalysisOptions, faces_model: Path | None, onnx_model: Path | None
) -> AnalysisPlan:
    """Return how a clip is looked at: its frames as large as the detector needs them, never larger than they are."""
    return AnalysisPlan(
        options=options,
        frame_rate=clip.frame_rate,
        frame_count=clip.frame_count,
        size=clip.fitted(wanted_long_side(options)),
        faces_model=faces_model,
        onnx_model=onnx_model,
        threads=get_settings().models.threads,
    )


class Looking:
    """One video that is looked at; lives as long as its workspace. What it leaves is in its ``directory``.

    Args:
        scratch: The workspace.
        tools: The programs.
    """

    def __init__(self, scratch: Path, tools: Toolset) -> None:
        self.directory = scratch / "analysis"
        self.directory.mkdir()
        self._scratch, self._tools = scratch, tools
        self._limits = tool_limits(get_settings().media)
        self._still: Picture | None = None

    def look(self, footage: Footage, plan: AnalysisPlan) -> Analysis:
        """Look at the pictures, then hear the sound; tables and events are on disk afterwards."""
        context = DecodeContext(self._tools, self._limits.stall_seconds, run_id())
        clip, sound = footage.pictures, footage.sound
        self._recorder = Recorder(self.directory, plan.duration_seconds)
        heard = self._heard(sound, context) if sound else None
        decoded = decoded_planes if is_small(plan.options) else decoded_pictures
        share = (1.0 if not plan.options.annotate else _LOOKING_SHARE) / plan.sample_count
        with (
            self._recorder as recorder,
            decoded(clip, plan.size, context, self._scratch / "pictures.log", plan.step) as pictures,
            heard or nullcontext() as blocks,
        ):
            return analyse(
                self._watched(sampled(pictures, plan), plan, clip),
                plan,
                recorder,
                lambda count: report_progress(share * count),
                blocks,
            )

    def _heard(self, sound: Clip, context: DecodeContext) -> AbstractContextManager[Iterator[NDArray[np.float32]]]:
        """Decode the sound; not to one channel, in which what is opposite in two would cancel out."""
        channels = 2 if sound.facts.audio is not None and sound.facts.audio.channels > 1 else 1
        return decoded_sound(sound, channels, _SOUND_BLOCK_SAMPLES, context, self._scratch / "sound.log")

    def _watched(self, frames: Iterator[Sampled], plan: AnalysisPlan, clip: Clip) -> Iterator[Sampled]:
        """Keep one frame of those that pass, for the heat map to lie on: the one a third into the video."""
        third, step = plan.frame_count // 3, plan.step
        for each in frames:
            if self._still is None or each.frame <= third < each.frame + step:
                is_whole = each.pixels.ndim == 3
                self._still = each.pixels.copy() if is_whole else shown(each.pixels, is_bt709=is_bt709(clip.facts))
            yield each

    def draw(self, footage: Footage, plan: AnalysisPlan, summary: AnalysisSummary) -> None:
        """Write the annotated video."""
        clip = footage.pictures
        size = clip.fitted(round(SHOWN_SHORT_SIDE * max(clip.size) / min(clip.size)))
        scene = Scene(
            size, clip.frame_rate, plan.options.zones, self._recorder.events, summary.detector, summary.is_simulated
        )
        annotator = Annotator(scene, Positions(read_tracks(self.directory / AnalysisFile.TELEMETRY), plan.step))

        def drawn(number: int, picture: Picture) -> Picture:
            report_progress(_LOOKING_SHARE + (1 - _LOOKING_SHARE) * number / clip.frame_count)
            if number == clip.frame_count // 3:
                self._still = picture.copy()  # larger than the one that was looked at
            return annotator.draw(number, picture)

        with ExitStack() as held:
            with waiting():
                grant = held.enter_context(holding_slot(encode_slots(get_settings()), rank=encode_rank))
            write_drawn_over(
                DrawnOver(clip, footage.sound, size),
                drawn,
                self.directory / AnalysisFile.ANNOTATED,
                scratch=self._scratch,
                tools=self._tools,
                threads=grant.threads,
                limits=self._limits,
                run_id=run_id(),
            )

    def report(self, found: Analysis, options: AnalysisOptions, title: str, key: str, prefix: str) -> AnalysisReport:
        """Write charts and summary, and return what to keep of it all.

        Args:
            found: What the analysis came to.
            options: What was looked for.
            title: What the video is called.
            key: Of the analysis.
            prefix: Where its files will lie.
        """
        at, summary, lines = self.directory, found.summary, sentences(found.summary)
        events_chart(self._recorder.events, self._recorder.course, "What happened when").save(
            at / AnalysisFile.EVENTS_CHART, optimize=True
        )
        still = self._still if self._still is not None else np.zeros((*reversed(summary.size), 3), np.uint8)
        where = "SIMULATED" if summary.is_simulated else "Where tracks were"
        write_png(heat_map(still, found.heat, where), at / AnalysisFile.HEAT_MAP)
        (at / AnalysisFile.SUMMARY).write_text(summary.model_dump_json(indent=1), encoding="utf-8")
        (at / AnalysisFile.SUMMARY_TEXT).write_text(markdown(title, summary, lines), encoding="utf-8")
        longest = sorted(summary.tracks, key=lambda track: track.first_seconds - track.last_seconds)[:_KEPT_TRACKS]
        return AnalysisReport(
            key=key,
            prefix=prefix,
            options=options,
            summary=summary.model_copy(update={"tracks": tuple(longest)}),
            sentences=lines,
            files={path.name: path.stat().st_size for path in sorted(at.iterdir())},
        )
