"""Try quality settings on a few short samples of a source, each measured by libvmaf.

Samples are cut once, evenly spread, through the very filters of the encode, and kept without loss. Each trial encodes
them into every rung that is still sought, under its bitrate cap, and measures each rung against the samples at the
rung's own size: what a rung loses by being small is the ladder's decision.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg

from data.domain.assets import SourceFacts
from data.domain.errors import EncodeFailedError
from data.domain.recipes import Preset
from tasks.media.codecs import Encoder, RungTarget, rung_options, uploaded
from tasks.media.normalise import normalised_pictures
from tasks.media.opening import paired
from tasks.media.plan import EncodePlan, PlannedRung, rung_threads
from tasks.media.probe import SAFE_INPUT_ARGUMENTS
from tasks.media.process import Limits, run_ffmpeg
from tasks.media.progress import Progress, staged
from tasks.media.quality import (
    MOST_TRIALS,
    SAMPLE_SECONDS,
    RungQuality,
    Trial,
    is_capped,
    nearest_trial,
    next_crf,
    sample_starts,
)
from tasks.media.tools import Toolset

_EVERY_NTH_FRAME = 2
"""Of so many frames one is measured: neighbours look alike, and it takes half the time."""
_RUNS = 1 + 2 * MOST_TRIALS


@dataclass(frozen=True)
class QualitySearch:
    """One search, for one source and one plan; lives inside the encode's slot."""

    source: Path
    facts: SourceFacts
    plan: EncodePlan
    encoder: Encoder
    preset: Preset
    first_crf: float
    scratch: Path
    tools: Toolset
    limits: Limits
    threads: int
    run_id: str = ""
    between_seconds: tuple[float, float] | None = None
    """From which part of the source samples are taken; ``None``: from all of it."""
    on_progress: Callable[[Progress], None] | None = None
    """Told how much of the search is done, at most."""

    def run(self, target: float) -> tuple[RungQuality, ...]:
        """Return the setting of every rung, highest first; empty if ffmpeg cannot make or measure a trial.

        What is wrong with a source then, the encode will say.

        Raises:
            DailiesError: ffmpeg stalled, was killed, or ran out of time or disk.
        """
        samples = self.scratch / "samples.nut"
        tried: dict[str, tuple[Trial, ...]] = {rung.spec.name: () for rung in self.plan.rungs}
        try:
            self._ffmpeg(self.samples_arguments(samples), "samples", 0)
            for number in range(MOST_TRIALS):
                crfs = self._to_try(tried, target)
                for name, trial in self._trials(samples, crfs, number).items() if crfs else ():
                    tried[name] += (trial,)
        except EncodeFailedError:
            return ()
        finally:
            samples.unlink(missing_ok=True)
        return tuple(self._found(rung, tried[rung.spec.name], target) for rung in self.plan.rungs)

    def _to_try(self, tried: Mapping[str, tuple[Trial, ...]], target: float) -> dict[str, float]:
        wanted = {
            rung.spec.name: next_crf(tried[rung.spec.name], target, rung.spec.max_kbps, self.first_crf)
            for rung in self.plan.rungs
        }
        return {name: crf for name, crf in wanted.items() if crf is not None}

    def _found(self, rung: PlannedRung, trials: tuple[Trial, ...], target: float) -> RungQuality:
        best = nearest_trial(trials, target)
        capped = is_capped(best, target, rung.spec.max_kbps)
        return RungQuality(rung.spec.name, best.crf, round(best.vmaf, 2), capped, trials)

    def samples_arguments(self, target: Path) -> list[str]:
        """Return the arguments that cut the samples, at the size of the highest rung, without loss."""
        top = self.plan.rungs[0]
        # Seeking sets the clock anew, so what delays the first picture of the file is no delay of a sample.
        facts = self.facts.model_copy(update={"picture_delay_seconds": 0.0})
        pictures = []
        for start in self._starts:
            position = {"ss": f"{self.facts.picture_delay_seconds + start:.3f}"} if start else {}
            opened = ffmpeg.input(
                str(self.source), t=f"{self._sample_seconds:.3f}", **position, **paired(SAFE_INPUT_ARGUMENTS)
            )
            picture = opened[str(facts.video.stream_index)]
            pictures.append(normalised_pictures(picture, facts, self.plan.frame_rate, (top.width, top.height)))
        joined = pictures[0] if len(pictures) == 1 else ffmpeg.concat(*pictures, v=1, a=0)
        return _compiled(ffmpeg.output(joined, str(target), **{"c:v": "ffv1", "threads": self.threads}))

    @property
    def _starts(self) -> tuple[float, ...]:
        begins, ends = self._part
        return tuple(round(begins + start, 3) for start in sample_starts(ends - begins))

    @property
    def _sample_seconds(self) -> float:
        """How long each sample is."""
        begins, ends = self._part
        return SAMPLE_SECONDS if len(self._starts) > 1 else ends - begins

    @property
    def _part(self) -> tuple[float, float]:
        """When the part begins and ends that is published."""
        return self.between_seconds or (0.0, self.facts.duration_seconds)

    @property
    def _seconds(self) -> float:
        """How long all samples are."""
        return self._sample_seconds * len(self._starts)

    def _trials(self, samples: Path, crfs: Mapping[str, float], number: int) -> dict[str, Trial]:
        rungs = [rung for rung in self.plan.rungs if rung.spec.name in crfs]
        self._ffmpeg(self.trial_arguments(samples, rungs, crfs), f"trial-{number}", 1 + 2 * number)
        self._ffmpeg(self.measure_arguments(samples, rungs), f"measure-{number}", 2 + 2 * number)
        return {
            rung.spec.name: Trial(
                crf=crfs[rung.spec.name],
                vmaf=_pooled(self._scores(rung)),
                kbps=self._encoded(rung).stat().st_size * 8 / 1000 / self._seconds,
            )
            for rung in rungs
        }

    def trial_arguments(self, samples: Path, rungs: Sequence[PlannedRung], crfs: Mapping[str, float]) -> list[str]:
        """Return the arguments that encode the samples into rungs as the encode would."""
        copies = _scaled_copies(ffmpeg.input(str(samples)), rungs)
        threads = rung_threads(rungs, self.threads)
        outputs = [
            ffmpeg.output(
                uploaded(copy, self.encoder),
                str(self._encoded(rung)),
                **self._options(rung, crfs[rung.spec.name], share),
            )
            for copy, rung, share in zip(copies, rungs, threads, strict=True)
        ]
        return [*self.encoder.device, *_compiled(ffmpeg.merge_outputs(*outputs))]

    def _options(self, rung: PlannedRung, crf: float, threads: int) -> dict[str, Any]:
        cuts = f"expr:gte(t,n_forced*{min(self._sample_seconds, self.plan.segment_seconds):g})"
        target = RungTarget(crf, rung.spec.max_kbps, cuts, self.plan.keyframe_frames, threads)
        return rung_options(self.encoder, self.preset, target)

    def measure_arguments(self, samples: Path, rungs: Sequence[PlannedRung]) -> list[str]:
        """Return the arguments that measure encoded rungs against the samples, frame by frame whatever their clocks."""
        references = _scaled_copies(ffmpeg.input(str(samples)), rungs)
        outputs = []
        for reference, rung in zip(references, rungs, strict=True):
            encoded = ffmpeg.input(str(self._encoded(rung)))["v"]
            scores = ffmpeg.filter(
                [_counted(encoded), _counted(reference)],
                "libvmaf",
                log_fmt="json",
                log_path=str(self._scores(rung)),
                n_threads=self.threads,
                n_subsample=_EVERY_NTH_FRAME,
            )
            outputs.append(ffmpeg.output(scores, "-", f="null"))
        return _compiled(ffmpeg.merge_outputs(*outputs))

    def _encoded(self, rung: PlannedRung) -> Path:
        return self.scratch / f"trial-{rung.spec.name}.mp4"

    def _scores(self, rung: PlannedRung) -> Path:
        return self.scratch / f"trial-{rung.spec.name}.json"

    def _ffmpeg(self, arguments: list[str], name: str, run: int) -> None:
        run_ffmpeg(
            arguments,
            tools=self.tools,
            log_path=self.scratch / f"{name}.log",
            limits=self.limits,
            expected_seconds=self._seconds,
            on_progress=staged(self.on_progress, run / _RUNS, (run + 1) / _RUNS),
            run_id=self.run_id,
        )


def _scaled_copies(samples: Any, rungs: Sequence[PlannedRung]) -> list[Any]:
    """The samples at the size of each rung, each scaled as in the encode: from the next larger one."""
    copies = []
    stream = samples["v"]
    for index, rung in enumerate(rungs):
        stream = stream.filter("scale", rung.width, rung.height).filter("setsar", 1)
        if index < len(rungs) - 1:
            parts = stream.filter_multi_output("split", 2)
            copies.append(parts[0])
            stream = parts[1]
    return [*copies, stream]


def _pooled(scores: Path) -> float:
    told = json.loads(scores.read_text(encoding="utf-8"))
    return float(told["pooled_metrics"]["vmaf"]["mean"])


def _compiled(output: Any) -> list[str]:
    command: list[str] = output.compile()
    return ["-loglevel", "info", *command[1:]]


def _counted(stream: Any) -> Any:
    """A stream whose clock counts frames."""
    return stream.filter("settb", "1/25").filter("setpts", "N")
