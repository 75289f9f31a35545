"""The making of one storyboard video: narrate, choose what is shown, film, mix, and say what made it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data.domain.errors import DataError, GenerationRejectedError
from data.domain.generations import Brand, GenerationRequest, Reference
from data.search.embedding import MODEL_NAME as EMBEDDING_MODEL
from data.search.embedding import MODEL_VERSION as EMBEDDING_VERSION
from tasks.media.tools import Toolset
from tasks.models.narration import MODEL_NAME as NARRATION_MODEL
from tasks.models.narration import VOICES, Narrator, accent_of
from tasks.models.phonemes import Phonemizer
from tasks.models.store import ModelStore
from tasks.providers.base import MadeMedia, ProviderLimits, References
from tasks.providers.storyboard.canvas import Canvas, Palette, colour_of
from tasks.providers.storyboard.clips import PreparedClip, prepare_clip
from tasks.providers.storyboard.filming import Look, film
from tasks.providers.storyboard.matching import assign
from tasks.providers.storyboard.mixing import Placed, Tracks, finish
from tasks.providers.storyboard.narrating import Narrated, narrate
from tasks.providers.storyboard.pictures import PictureModels
from tasks.providers.storyboard.planning import FADE_SECONDS, PlannedScene
from tasks.providers.storyboard.scenes import Scene, scenes_of
from tasks.providers.storyboard.score import Score, write_score
from tasks.providers.storyboard.typefaces import Typefaces

LABEL = "storyboard: composed, not diffusion"
VERSION = "storyboard-1"
"""Changes when the same request comes out otherwise."""

SALIENCY_MODEL, FACE_MODEL = "u2netp", "centerface"
_LONGEST_BUMPER_SECONDS = 60.0
_NARRATED, _PREPARED, _FILMED = 0.3, 0.35, 0.95


@dataclass(frozen=True)
class Workshop:
    """What every production on this machine works with."""

    store: ModelStore
    tools: Toolset
    threads: int
    limits: ProviderLimits


@dataclass(frozen=True)
class BrandFiles:
    """The brand's files on this machine; ``None`` where there is none."""

    font: Path | None = None
    logo: Path | None = None
    intro: Path | None = None
    outro: Path | None = None

    @staticmethod
    def of(brand: Brand, references: References) -> "BrandFiles":
        """Find the files that a brand names, among the references.

        Raises:
            GenerationRejectedError: One is not there.
        """
        found = {
            field: _brand_file(field, getattr(brand, field), references) for field in ("font", "logo", "intro", "outro")
        }
        return BrandFiles(**found)


def _brand_file(field: str, name: str, references: References) -> Path | None:
    if not name:
        return None
    if name not in references:
        raise GenerationRejectedError(f"The brand's {field} is not among the references.", {"field": f"brand.{field}"})
    return references[name]


class Production:
    """The making of one video; lives until it is made.

    Args:
        workshop: Models, tools and limits.
        brand: The brand's files.
        request: What to make.
        references: The user's own pictures and clips, by name.
        scratch: Where everything is made; leftovers of the work are removed from it.
    """

    def __init__(
        self, workshop: Workshop, brand: BrandFiles, request: GenerationRequest, references: References, scratch: Path
    ) -> None:
        self._workshop, self._brand = workshop, brand
        self._request, self._options = request, request.options
        self._references, self._scratch = references, scratch
        self._canvas = Canvas(request.width, request.height)
        self._typefaces = Typefaces(workshop.store, brand.font)
        self._score = Score.of(request.seed) if request.options.music else None
        self._phonemes_by = ""
        self._leftovers: list[Path] = []

    def make(self, on_progress: Callable[[float], None]) -> MadeMedia:
        """Make the video; see :meth:`tasks.providers.base.LocalProvider.make` for what it raises."""
        scenes = tuple(scenes_of(self._request))
        self._check(scenes)
        narrated = self._narrated(scenes, on_progress)
        planned = self._with_bumpers(self._with_references(narrated.scenes, scenes))
        on_progress(_PREPARED)
        picture = self._new("picture.mp4")
        film(
            planned,
            self._look(),
            picture,
            self._workshop.tools,
            threads=self._workshop.threads,
            on_progress=lambda share: on_progress(_PREPARED + share * (_FILMED - _PREPARED)),
        )
        details = self._details(planned, narrated)
        target = self._scratch / "storyboard.mp4"
        tracks = self._tracks(planned, narrated)
        finish(picture, tracks, target, _tags(self._request, details), self._workshop.tools, self._scratch)
        for leftover in self._leftovers:
            leftover.unlink(missing_ok=True)
        on_progress(1.0)
        return MadeMedia(target, details)

    def _new(self, name: str) -> Path:
        path = self._scratch / name
        self._leftovers.append(path)
        return path

    def _check(self, scenes: Sequence[Scene]) -> None:
        if not scenes:
            raise GenerationRejectedError("There is nothing to say or show in these words.", {"field": "prompt"})
        if self._options.language != "en":
            raise GenerationRejectedError(
                f"Narration is offered in English only, not in {self._options.language!r}.",
                {"field": "options.language"},
            )
        if self._options.voice not in VOICES:
            raise GenerationRejectedError(
                f"There is no voice {self._options.voice!r}.", {"field": "options.voice", "known": [*VOICES]}
            )

    def _narrated(self, scenes: Sequence[Scene], on_progress: Callable[[float], None]) -> Narrated:
        options, longest = self._options, self._workshop.limits.max_duration_seconds

        def after_scene(seconds: float, count: int) -> None:
            if longest is not None and seconds > longest:
                raise GenerationRejectedError(
                    f"These words take longer than the limit of {longest:g} seconds.", {"limit_seconds": longest}
                )
            on_progress(_NARRATED * count / len(scenes))

        weights = self._workshop.store.path(NARRATION_MODEL)
        with Phonemizer(self._workshop.store, accent_of(options.voice)) as phonemizer:
            self._phonemes_by = phonemizer.version
            narrator = Narrator(weights, phonemizer, options.voice, options.speech_rate)
            return narrate(
                scenes,
                narrator,
                self._new("voice.wav"),
                threads=self._workshop.threads,
                least_seconds=min(options.duration_seconds or 0.0, longest or float("inf")),
                on_scene=after_scene,
            )

    def _with_references(self, planned: Sequence[PlannedScene], scenes: Sequence[Scene]) -> list[PlannedScene]:
        """Give scenes the pictures and clips that they show; a title that is not said stays a card."""
        usable = [reference for reference in self._request.shown if reference.name in self._references]
        open_scenes = [index for index, scene in enumerate(scenes) if scene.is_said]
        chosen: dict[int, Reference | None] = {}
        if usable:
            found = assign([scenes[index].text for index in open_scenes], usable)
            chosen = dict(zip(open_scenes, found, strict=True))
        return [self._shown(scene, chosen.get(index), index) for index, scene in enumerate(planned)]

    def _shown(self, scene: PlannedScene, reference: Reference | None, index: int) -> PlannedScene:
        if reference is None:
            return scene
        path = self._references[reference.name]
        if reference.kind == "image":
            return replace(scene, kind="image", reference=reference, path=path)
        clip = self._clip(path, scene.duration_seconds + FADE_SECONDS, f"clip-{index}.mp4")
        return replace(scene, kind="video", reference=reference, clip=clip)

    def _clip(self, path: Path, longest_seconds: float, name: str, *, with_sound: bool = False) -> PreparedClip:
        target = self._new(name)
        try:
            clip = prepare_clip(
                path,
                self._canvas,
                self._options.frame_rate,
                longest_seconds,
                target,
                self._workshop.tools,
                with_sound=with_sound,
            )
        except DataError as error:
            raise GenerationRejectedError(
                f"{path.name} cannot be used as a clip: {error.message}", {**error.facts, "name": path.name}
            ) from error
        self._leftovers += [clip.sound] if clip.sound else []
        return clip

    def _with_bumpers(self, planned: Sequence[PlannedScene]) -> list[PlannedScene]:
        """Put the brand's intro before and its outro after."""
        scenes = list(planned)
        if self._brand.intro is not None:
            clip = self._clip(self._brand.intro, _LONGEST_BUMPER_SECONDS, "intro.mp4", with_sound=True)
            later = [
                replace(
                    scene,
                    start_seconds=scene.start_seconds + clip.duration_seconds,
                    end_seconds=scene.end_seconds + clip.duration_seconds,
                )
                for scene in scenes
            ]
            scenes = [PlannedScene("bumper", 0.0, clip.duration_seconds, clip=clip), *later]
        if self._brand.outro is not None:
            clip = self._clip(self._brand.outro, _LONGEST_BUMPER_SECONDS, "outro.mp4", with_sound=True)
            end = scenes[-1].end_seconds
            scenes.append(PlannedScene("bumper", end, end + clip.duration_seconds, clip=clip))
        return scenes

    def _look(self) -> Look:
        brand, store = self._options.brand, self._workshop.store
        models = PictureModels(store.path(SALIENCY_MODEL), store.path(FACE_MODEL), self._workshop.threads)
        return Look(
            canvas=self._canvas,
            palette=Palette(colour_of(brand.background), colour_of(brand.primary), colour_of(brand.accent)),
            typefaces=self._typefaces,
            models=models,
            frame_rate=self._options.frame_rate,
            seed=self._request.seed,
            karaoke=self._options.karaoke,
            logo=self._brand.logo,
        )

    def _tracks(self, planned: Sequence[PlannedScene], narrated: Narrated) -> Tracks:
        story = [scene for scene in planned if scene.kind != "bumper"]
        start, end = story[0].start_seconds, story[-1].end_seconds
        music = None
        if self._score is not None:
            music = Placed(self._new("music.wav"), start)
            write_score(self._score, end - start, music.path)
        self._leftovers.append(self._scratch / "mix.wav")
        return Tracks(
            voice=Placed(self._scratch / "voice.wav", start) if narrated.has_voice else None,
            music=music,
            bumpers=tuple(
                Placed(scene.clip.sound, scene.start_seconds)
                for scene in planned
                if scene.kind == "bumper" and scene.clip is not None and scene.clip.sound is not None
            ),
            duration_seconds=planned[-1].end_seconds,
        )

    def _details(self, planned: Sequence[PlannedScene], narrated: Narrated) -> dict[str, object]:
        """What made it, for the ledger and for the file itself."""
        store = self._workshop.store
        used = {scene.kind for scene in planned}
        names = [NARRATION_MODEL]
        names += [SALIENCY_MODEL, FACE_MODEL] if "image" in used else []
        names += self._typefaces.used_pins
        models = {name: store.version(name) for name in names}
        if any(scene.reference for scene in planned):
            models[EMBEDDING_MODEL] = EMBEDDING_VERSION
        return {
            "provider": LABEL,
            "version": VERSION,
            "seed": self._request.seed,
            "models": models,
            "phonemes": self._phonemes_by,
            "voice": self._options.voice if narrated.has_voice else None,
            "music": self._score.label if self._score else None,
            "duration_seconds": round(planned[-1].end_seconds, 3),
            "scene_count": len(planned),
            "shown": sorted({scene.reference.name for scene in planned if scene.reference}),
            "request": self._request.digest(),
        }


def _tags(request: GenerationRequest, details: Mapping[str, object]) -> dict[str, str]:
    """What the file itself says about what made it."""
    facts = {key: details[key] for key in ("version", "seed", "models", "phonemes", "voice", "music", "request")}
    return {
        "encoded_by": "Dailies",
        "comment": f"{LABEL}; {json.dumps(facts, separators=(',', ':'), sort_keys=True)}",
        "provider": LABEL,
        "seed": str(request.seed),
    }
