"""What preparing is, without Prefect: from a source to a mezzanine with other picture and sound.

The frames go through in this order: faces are hidden first, in the whole picture; then it is cut to its new shape,
enlarged, and written on. Everything that needs to know the whole shot is found out by a look at small frames before.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from data.domain.errors import UpscaleTooSlowError
from data.domain.provenance import Action, ActionName, Agent, DigitalSource, Part
from data.domain.recipes import AnonymiseOptions, Recipe
from tasks.media.accounts import refuse_damaged
from tasks.media.camera import camera_path
from tasks.media.captions import Transcript
from tasks.media.cores import usable_cores
from tasks.media.decoding import Clip, DecodeContext, decoded_pictures, decoded_sound
from tasks.media.hiding import Area
from tasks.media.measures import read_log
from tasks.media.mezzanine import Changes, CleanSound, FrameOperation, Subtitles, VoiceOver, write_mezzanine
from tasks.media.operations import Crop, HideFaces, Window, crop_window, enlarged
from tasks.media.process import Limits, run_ffmpeg
from tasks.media.subtitles import burned_in_cues, to_ass
from tasks.media.tools import Toolset
from tasks.models.face_tracks import MIN_SCORE, hidden_areas
from tasks.models.speech_cleanup import cleaned
from tasks.models.store import ModelStore
from tasks.models.survey import Survey, SurveyModels, SurveyPlan, survey
from tasks.models.upscale import Upscaler
from tasks.models.versions import (
    CAPTION_FONT,
    FACE_MODEL,
    NARRATION_MODEL,
    PREPARE_VERSION,
    SALIENCY_MODEL,
    SPEECH_CLEANUP_MODEL,
    UPSCALE_MODEL,
    model_agent,
)
from tasks.voice_over import SpokenText

_FACES_LONG_SIDE = 960
"""Pixels at which faces are looked for that must be hidden: one of a hundredth of the width is found."""
_GLANCE_LONG_SIDE = 640
_SOUND_BLOCK_SAMPLES = 480_000
_SURVEY_SHARE = 0.45


@dataclass(frozen=True)
class Workbench:
    """What preparing works with."""

    scratch: Path
    tools: Toolset
    models: ModelStore
    limits: Limits
    encode_slot: Callable[[], AbstractContextManager[int]]
    """Entered around the encode, after a wait perhaps; gives the threads that it may keep busy."""
    on_progress: Callable[[float], None]
    """Told the share (0–1) that is done."""
    run_id: str = ""
    threads: int = 0
    """Of a model; 0 lets it choose."""

    @property
    def context(self) -> DecodeContext:
        """What decoding works with."""
        return DecodeContext(self.tools, self.limits.stall_seconds, self.run_id)


@dataclass(frozen=True)
class Prepared:
    """What was done to a clip."""

    notes: tuple[str, ...]
    """In sentences for a person; also what was not done, and why."""
    actions: tuple[Action, ...]
    """Only what was done."""


def write_sound(clip: Clip, target: Path, bench: Workbench) -> Path:
    """Write a clip's sound, in step with its picture, as 16 kHz mono WAV for the speech model."""
    assert clip.facts.audio is not None
    sound = clip.footage(clip.size, "mono").sound
    command: list[str] = ffmpeg.output(sound, str(target), ar=16_000, **{"c:a": "pcm_s16le"}).compile()
    log_path = bench.scratch / "sound.log"
    run_ffmpeg(command[1:], tools=bench.tools, log_path=log_path, limits=bench.limits, run_id=bench.run_id)
    return target


def prepare_media(
    clip: Clip,
    recipe: Recipe,
    target: Path,
    bench: Workbench,
    transcript: Transcript | None,
    spoken: SpokenText | None = None,
) -> Prepared:
    """Write a mezzanine of a clip with what a recipe changes; return what was done.

    Args:
        clip: The source.
        recipe: What to change.
        target: The file to write.
        bench: What to work with.
        transcript: What is said, for captions in the picture; ``None`` where there are none.
        spoken: What a voice reads over it; ``None`` where none does.

    Raises:
        UpscaleTooSlowError: Enlarging it would take longer than the recipe allows.
        DailiesError: A program or a model failed.
    """
    work = _Work(clip, recipe, bench)
    work.plan()
    work.look()
    changes = work.changes(transcript, spoken)
    begin = work.share_of_survey
    with bench.encode_slot() as threads:
        write_mezzanine(
            clip,
            changes(threads),
            target,
            scratch=bench.scratch,
            tools=bench.tools,
            threads=threads,
            limits=bench.limits,
            on_progress=lambda told: bench.on_progress(begin + (1 - begin) * (told.share or 0.0)),
            run_id=bench.run_id,
        )
    return Prepared(tuple(work.notes), tuple(work.actions))


class _Work:
    """One clip on its way to a mezzanine: its steps in the order of their calls."""

    def __init__(self, clip: Clip, recipe: Recipe, bench: Workbench) -> None:
        self.notes: list[str] = []
        self.actions: list[Action] = []
        self._clip, self._recipe, self._bench = clip, recipe, bench
        self._window: Window | None = None
        self._enlarged: tuple[int, int] | None = None
        self._survey: Survey | None = None

    @property
    def share_of_survey(self) -> float:
        """Of the whole work, as progress shows it."""
        return _SURVEY_SHARE if self._survey else 0.0

    def plan(self) -> None:
        """Decide on sizes, and refuse what would take too long before anything is done."""
        size = self._clip.size
        if self._recipe.reframe.enabled:
            self._window = crop_window(size, self._recipe.reframe.ratio)
            if self._window is None:
                self.notes.append(f"Not reframed: the picture is {self._recipe.reframe.aspect_ratio} already.")
            else:
                size = self._window.size
        if self._recipe.upscale.enabled:
            self._enlarged = enlarged(size, self._recipe.upscale.target_short_side)
            if self._enlarged is None:
                self.notes.append(f"Not upscaled: {min(size)} pixels are enough.")
            else:
                self._refuse_too_slow(size)

    def look(self) -> None:
        """Look over all frames, where something depends on what is in them."""
        hides = self._recipe.anonymise.enabled
        if not hides and self._window is None:
            return
        models, clip = self._bench.models, self._clip
        plan = SurveyPlan(
            SurveyModels(
                faces=models.path(FACE_MODEL),
                saliency=models.path(SALIENCY_MODEL) if self._window else None,
                every_face=hides,
                threads=self._bench.threads,
            ),
            clip.frame_rate,
            MIN_SCORE,
            axis=self._window.axis if self._window else None,
        )
        size, log_path = self._surveyed_size, self._bench.scratch / "survey.log"
        share = _SURVEY_SHARE / clip.frame_count
        with decoded_pictures(clip, size, self._bench.context, log_path) as pictures:
            self._survey = survey(pictures, plan, lambda count: self._bench.on_progress(min(1.0, share * count)))
        seen, promised, unseen = self._survey.frame_count, clip.frame_count, clip.unseen_seconds
        refuse_damaged(read_log(log_path), clip.kept_facts, encoded=seen, promised=promised, unseen_seconds=unseen)

    def changes(self, transcript: Transcript | None, spoken: SpokenText | None) -> Callable[[int], Changes]:
        """Return what makes the changes of the mezzanine, given the threads that they may keep busy."""
        before = [each for each in (self._hiding(), self._cropping()) if each is not None]
        final = self._enlarged or (self._window.size if self._window else self._clip.size)
        subtitles, sound, voice = self._subtitles(transcript, final), self._clean_sound(), self._voice(spoken)

        def with_threads(threads: int) -> Changes:
            operations = list(before)
            if self._enlarged is not None:
                model = self._bench.models.path(UPSCALE_MODEL)
                operations.append(Upscaler(model, self._enlarged, self._bench.threads or threads))
            return Changes(tuple(operations), final, subtitles, sound, voice)

        if self._enlarged is not None:
            self._did(
                ActionName.RESIZED,
                "upscaled",
                f"Upscaled to {final[0]}x{final[1]} by a model.",
                (UPSCALE_MODEL,),
                source=DigitalSource.ENHANCED,
            )
        return with_threads

    def _did(
        self,
        name: ActionName,
        what: str,
        told: str,
        models: tuple[str, ...],
        part: Part = Part.PICTURE,
        source: DigitalSource | None = None,
    ) -> None:
        """Write down, for people and for the file itself, what is done."""
        self.notes.append(told)
        self.actions.append(
            Action(
                name=name,
                what=what,
                description=told,
                parts=(part,),
                agent=Agent(name="Dailies", version=PREPARE_VERSION),
                models=tuple(model_agent(model, self._bench.models) for model in models),
                digital_source=source,
            )
        )

    @property
    def _surveyed_size(self) -> tuple[int, int]:
        return self._clip.fitted(_FACES_LONG_SIDE if self._recipe.anonymise.enabled else _GLANCE_LONG_SIDE)

    def _refuse_too_slow(self, size: tuple[int, int]) -> None:
        assert self._enlarged is not None
        threads = self._bench.threads or usable_cores()
        upscaler = Upscaler(self._bench.models.path(UPSCALE_MODEL), self._enlarged, threads)
        seconds = upscaler.seconds_per_pixel() * size[0] * size[1] * self._clip.frame_count
        most = self._recipe.upscale.max_seconds
        if seconds > most:
            raise UpscaleTooSlowError(
                f"Upscaling {self._clip.duration_seconds:.0f} s of {size[0]}x{size[1]} would take about "
                f"{seconds / 60:.0f} minutes; the recipe allows {most / 60:.0f}. Cut it shorter, or raise "
                "upscale.max_seconds.",
                {"estimated_seconds": round(seconds), "max_seconds": most},
            )

    def _hiding(self) -> FrameOperation | None:
        options = self._recipe.anonymise
        if not options.enabled or self._survey is None:
            return None
        areas = _scaled_areas(self._survey, options, self._clip, self._surveyed_size)
        shown = sum(bool(each) for each in areas)
        most = max((len(each) for each in areas), default=0)
        if not shown:
            self.notes.append("No faces were found that would have to be hidden.")
            return None
        told = f"Faces were hidden in {shown} of {len(areas)} frames, at most {most} at a time."
        self._did(ActionName.EDITED, "faces hidden", told, (FACE_MODEL,))
        return HideFaces(areas, options.method)

    def _cropping(self) -> FrameOperation | None:
        window, found = self._window, self._survey
        if window is None or found is None:
            return None
        rate = float(self._clip.frame_rate)
        path: NDArray[np.float64] = camera_path(
            found.glances, found.cuts, found.frame_count, rate, window.share_of(self._clip.size)
        )
        told = f"Reframed to {self._recipe.reframe.aspect_ratio}, around what matters in the picture."
        self._did(ActionName.CROPPED, "reframed", told, (FACE_MODEL, SALIENCY_MODEL))
        return Crop(window, path)

    def _subtitles(self, transcript: Transcript | None, size: tuple[int, int]) -> Subtitles | None:
        options = self._recipe.burn_in
        if transcript is None or options.style == "none":
            return None
        cues = burned_in_cues(transcript.words, options, self._recipe.captions, size, self._clip.duration_seconds)
        if not cues:
            return None
        ass_file = self._bench.scratch / "captions.ass"
        ass_file.write_text(to_ass(cues, options, size), encoding="utf-8")
        told = "Captions are part of the picture."
        # What a voice of ours reads was written by whoever asked for it.
        models = () if transcript.model == NARRATION_MODEL else (transcript.model,)
        self._did(ActionName.ADDED_TEXT, "captions in the picture", told, models)
        return Subtitles(ass_file, self._bench.models.path(CAPTION_FONT))

    def _voice(self, spoken: SpokenText | None) -> VoiceOver | None:
        if spoken is None:
            return None
        options, kept = self._recipe.voice_over, self._recipe.edit.effective.trim
        words = spoken.words_told(kept.start_seconds, kept.end_seconds)
        self._did(
            ActionName.DUBBED,
            "voice-over",
            f"A voice ({options.voice}, made by a model) reads {words} over it.",
            (NARRATION_MODEL,),
            Part.SOUND,
            DigitalSource.COMPOSITE_WITH_MODEL,
        )
        return VoiceOver(spoken.path, options.start_seconds - self._clip.begins_at_seconds, options.duck_ratio)

    def _clean_sound(self) -> CleanSound | None:
        options, audio = self._recipe.speech, self._clip.facts.audio
        if not options.clean_up or audio is None:
            return None
        channels = min(2, audio.channels)
        target, log_path = self._bench.scratch / "clean.f32", self._bench.scratch / "clean.log"
        with (
            target.open("wb") as file,
            decoded_sound(self._clip, channels, _SOUND_BLOCK_SAMPLES, self._bench.context, log_path) as blocks,
        ):
            for block in cleaned(blocks, options.max_reduction_db):
                file.write(np.ascontiguousarray(block).tobytes())
        told = "Noise was taken out of the sound."
        models, source = (SPEECH_CLEANUP_MODEL,), DigitalSource.ENHANCED
        self._did(ActionName.ENHANCED, "noise taken out", told, models, Part.SOUND, source)
        return CleanSound(target, channels)


def _scaled_areas(
    found: Survey, options: AnonymiseOptions, clip: Clip, size: tuple[int, int]
) -> tuple[tuple[Area, ...], ...]:
    hold = round(options.hold_seconds * clip.frame_rate)
    areas = hidden_areas(found.faces, found.cuts, hold, options.margin)
    x, y = clip.size[0] / size[0], clip.size[1] / size[1]
    return tuple(tuple(area.scaled(x, y) for area in each) for each in areas)
