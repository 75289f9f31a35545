"""First passes: what some edits have to know of the whole before the one encode."""

from dataclasses import dataclass, replace
from pathlib import Path

import ffmpeg

from data.domain.assets import SourceFacts
from data.domain.edits import LoudnessOptions
from data.domain.errors import EncodeFailedError
from tasks.media.accounts import blamed
from tasks.media.edits import loudness, stabilise, watermark
from tasks.media.edits.editing import NO_FINDINGS, EditPlan, Findings, edited_footage, kept_footage, own_size
from tasks.media.edits.footage import Footage
from tasks.media.measures import ToolLog, read_log
from tasks.media.opening import Opener
from tasks.media.plan import EncodePlan
from tasks.media.process import Limits, run_ffmpeg
from tasks.media.tools import Toolset

_NO_SOUND_NOTE = "There is no sound whose loudness could be set."
_STABILISED_NOTE = "The picture was stabilised, and enlarged by as little as hides its moving edges."


_MOST_TRIES = 3
"""How often a gain is raised to make up for what its limiter takes."""


@dataclass(frozen=True)
class FirstPasses:
    """What first passes work with; lives as long as the attempt at an encode."""

    source: Path
    facts: SourceFacts
    plan: EncodePlan
    opener: Opener
    scratch: Path
    """Takes logs and findings."""
    tools: Toolset
    limits: Limits
    run_id: str = ""

    def findings(self) -> Findings:
        """Run the first passes that the plan needs, and draw its watermark; most need nothing of it.

        Raises:
            CorruptInputError: The source cannot be decoded.
            DailiesError: A program failed, stalled, was killed, or ran out of time or disk.
        """
        if self.plan.edits is None:
            return NO_FINDINGS
        findings = self._motion() if self.plan.edits.options.stabilise else NO_FINDINGS
        if self.plan.edits.options.watermark.is_wanted:
            findings = replace(findings, stamp=self._stamp(self.plan.edits))
        wish = self.plan.edits.options.loudness
        if wish.target_lufs is None:
            return findings
        if not self.plan.has_sound:
            return replace(findings, notes=(*findings.notes, _NO_SOUND_NOTE))
        return self._with_gain(findings, wish)

    def _motion(self) -> Findings:
        motion = self.scratch / "motion.trf"
        self._run(motion_arguments(self.source, self.facts, self.plan, self.opener, motion), "motion")
        return Findings(motion=motion, notes=(_STABILISED_NOTE,))

    def _stamp(self, edits: EditPlan) -> watermark.Stamp:
        options = edits.options.watermark
        shape = replace(edits.own, size=own_size(edits, self.plan.working_size))
        return watermark.draw_stamp(options, shape, edits.inputs[options.source], self.scratch / "watermark.png")

    def _with_gain(self, findings: Findings, wish: LoudnessOptions) -> Findings:
        found = self._loudness(NO_FINDINGS)
        change = loudness.gain(wish, found)
        reached = replace(found, integrated_lufs=wish.target_lufs) if change.ceiling_dbtp is None else found
        tried: loudness.Gain | None = change if change.ceiling_dbtp is not None else None
        for _ in range(_MOST_TRIES):
            if tried is None:
                break
            change, reached = tried, self._loudness(Findings(gain=tried))
            tried = loudness.raised(wish, found, change, reached)
        said = loudness.note(wish, found, change, reached)
        return replace(findings, gain=change, notes=(*findings.notes, said))

    def _loudness(self, findings: Findings) -> loudness.Loudness:
        arguments = loudness_arguments(self.source, self.facts, self.plan, self.opener, findings)
        log = self._run(arguments, "loudness")
        return loudness.Loudness(log.loudness_lufs, log.true_peak_dbtp)

    def _run(self, arguments: list[str], name: str) -> ToolLog:
        log_path = self.scratch / f"{name}.log"
        try:
            run_ffmpeg(
                arguments,
                tools=self.tools,
                log_path=log_path,
                limits=self.limits,
                expected_seconds=self.plan.duration_seconds,
                run_id=self.run_id,
            )
        except EncodeFailedError as error:
            raise blamed(error, read_log(log_path), self.plan.edits) from error
        return read_log(log_path)


def motion_arguments(source: Path, facts: SourceFacts, plan: EncodePlan, opener: Opener, motion: Path) -> list[str]:
    """Return the arguments, without the program, that write down how the kept pictures of a source move."""
    assert plan.edits is not None
    footage = kept_footage(plan.edits, _opened(source, facts, plan, opener))
    return _compiled(stabilise.looked_at(footage, motion), opener)


def loudness_arguments(
    source: Path, facts: SourceFacts, plan: EncodePlan, opener: Opener, findings: Findings = NO_FINDINGS
) -> list[str]:
    """Return the arguments, without the program, that measure the edited sound; no picture is decoded for it.

    Args:
        source: Absolute path of the source.
        facts: What probing found in it.
        plan: With edits, and with sound after them.
        opener: How files are opened.
        findings: With the gain that is tried; without one the sound is measured as it is.
    """
    assert plan.edits is not None
    footage = edited_footage(plan.edits, _opened(source, facts, plan, opener), findings)
    return _compiled(loudness.measured(footage.sound), opener)


def _opened(source: Path, facts: SourceFacts, plan: EncodePlan, opener: Opener) -> Footage:
    assert plan.edits is not None
    return opener.footage(source, facts, replace(plan.edits.source, size=plan.working_size), plan.edits)


def _compiled(stream: object, opener: Opener) -> list[str]:
    command: list[str] = ffmpeg.output(stream, "-", f="null").compile()
    return ["-loglevel", "verbose", "-filter_complex_threads", str(opener.threads), *command[1:]]
