"""What is decided about an encode before it starts, beyond the plan: encoder, copy or encode, quality of each rung."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from data.domain.assets import SourceFacts
from data.domain.edits import NO_EDITS
from data.domain.recipes import Recipe
from tasks.media.arguments import sound_encoders
from tasks.media.codecs import Encoder
from tasks.media.conforming import Copied, copied_from, difference, read_packets
from tasks.media.keyframes import CutPlan
from tasks.media.plan import EncodePlan, plan_encode
from tasks.media.process import Limits
from tasks.media.progress import Progress, staged
from tasks.media.quality import LEAST_SIDE, SAMPLE_COUNT, SAMPLE_SECONDS, SEARCH_EFFORT, RungQuality
from tasks.media.quality_trials import QualitySearch
from tasks.media.tools import Toolset, require


@dataclass(frozen=True)
class Choices:
    """How one source is encoded; lives as long as that."""

    recipe: Recipe
    encoder: Encoder
    qualities: tuple[RungQuality, ...] = ()
    """Of the rungs that are encoded, where the recipe names a VMAF."""
    copied: Copied | None = None
    """The highest rung, where it is the source's own pictures."""
    why_not_copied: str = ""

    @property
    def crfs(self) -> dict[str, float]:
        """Quality by the name of a rung, on x264's scale, where it is not the recipe's."""
        return {found.rung: found.crf for found in self.qualities}

    @property
    def hardware_encoder(self) -> str | None:
        """The machine's own encoder, where it is used."""
        return self.encoder.name if self.encoder.is_hardware else None

    def quality(self, rung: str) -> RungQuality | None:
        """Return what was found for a rung."""
        return next((found for found in self.qualities if found.rung == rung), None)

    def is_copy(self, rung: str) -> bool:
        """Say whether a rung is the source's own pictures."""
        return self.copied is not None and self.copied.rung == rung

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of it: sentences."""
        return tuple(self._notes())

    def _notes(self) -> Iterator[str]:
        video = self.recipe.video
        if self.copied is not None:
            yield f"{self.copied.rung} is the source's own picture, not encoded again."
        elif self.why_not_copied:
            yield f"The source was encoded, not copied: {self.why_not_copied}."
        if self.encoder.is_hardware:
            yield f"Encoded by this machine's own {self.encoder.name}."
        elif video.encoder == "auto":
            yield f"No hardware encoder of {video.codec} passed a trial on this machine: {self.encoder.name} was used."
        if video.target_vmaf is not None and not self.qualities and self.copied is None:
            yield "Quality could not be measured on samples of this source: the recipe's CRF was used."
        yield from (found.sentence for found in self.qualities)


def require_for(recipe: Recipe, encoder: Encoder, tools: Toolset) -> None:
    """Do nothing if ffmpeg has what a recipe needs beyond what every recipe does.

    Raises:
        ToolMissingError: It lacks some of it.
    """
    encoders = {encoder.name, *sound_encoders(recipe.audio)}
    if recipe.preview.format == "webp":
        encoders.add("libwebp_anim")
    require(tools, encoders=sorted(encoders), filters=["libvmaf"] if recipe.video.target_vmaf else [])


@dataclass(frozen=True)
class Chooser:
    """What it takes to look at one source before it is encoded; lives inside the encode's slot."""

    source: Path
    facts: SourceFacts
    recipe: Recipe
    plan: EncodePlan
    scratch: Path
    tools: Toolset
    limits: Limits
    run_id: str = ""
    cut: CutPlan | None = None
    """Where the trim begins at a keyframe: whether that part can be copied is known already."""

    @property
    def share(self) -> float:
        """What share (0–1) of the time of choosing and encoding the choice takes, about."""
        if self.recipe.video.target_vmaf is None:
            return 0.0
        search = SEARCH_EFFORT * min(self.plan.duration_seconds, SAMPLE_COUNT * SAMPLE_SECONDS)
        return search / (search + self.plan.duration_seconds)

    def choose(self, encoder: Encoder, threads: int, on_progress: Callable[[Progress], None] | None) -> Choices:
        """Return how to encode the source.

        Args:
            encoder: What encodes the picture.
            threads: That may be kept busy.
            on_progress: Told the progress of the whole encode, of which this is a part.

        Raises:
            DailiesError: A program failed, stalled, was killed, or ran out of time or disk.
        """
        copy = self._copy()
        copied = copy if isinstance(copy, Copied) else None
        qualities = self._qualities(encoder, copied, threads, staged(on_progress, 0.0, self.share))
        return Choices(self.recipe, encoder, qualities, copied, copy if isinstance(copy, str) else "")

    def _copy(self) -> Copied | str:
        """The copy that can stand for the highest rung, or why there is none; empty where none is wanted."""
        if self.cut is not None:
            return self.cut.copy
        if not self.recipe.video.copy_conforming:
            return ""
        if self.plan.edits is not None:
            return "the recipe edits it"
        if why_not := difference(self.facts, self.recipe.video, self.plan):
            return why_not
        packets = read_packets(
            self.source,
            self.facts.video.stream_index,
            tools=self.tools,
            scratch=self.scratch,
            limits=self.limits,
            run_id=self.run_id,
        )
        return copied_from(packets, self.plan)

    @property
    def _unedited_plan(self) -> EncodePlan:
        """The plan by which samples are cut and measured: of the source's own pictures, whatever becomes of them."""
        if self.plan.edits is None:
            return self.plan
        return plan_encode(self.facts, self.recipe.model_copy(update={"edit": NO_EDITS}))

    def _qualities(
        self, encoder: Encoder, copied: Copied | None, threads: int, on_progress: Callable[[Progress], None] | None
    ) -> tuple[RungQuality, ...]:
        plan, video = self._unedited_plan, self.recipe.video
        names = {rung.spec.name for rung in self.plan.rungs if copied is None or rung.spec.name != copied.rung}
        rungs = tuple(
            rung for rung in plan.rungs if rung.spec.name in names and min(rung.width, rung.height) >= LEAST_SIDE
        )
        if video.target_vmaf is None or not rungs:
            return ()
        search = QualitySearch(
            self.source,
            self.facts,
            replace(plan, rungs=rungs),
            encoder,
            video.preset,
            first_crf=video.crf,
            scratch=self.scratch,
            tools=self.tools,
            limits=self.limits,
            threads=threads,
            run_id=self.run_id,
            between_seconds=self.plan.edits.read_seconds if self.plan.edits else None,
            on_progress=on_progress,
        )
        return search.run(video.target_vmaf)
