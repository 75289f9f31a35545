"""From one source to its whole package with one decode: rungs, sound, sprite, poster and measurements.

The slow step is one ffmpeg process (:mod:`tasks.media.arguments`), after trials of its quality perhaps
(:mod:`tasks.media.choices`), or one for each piece of a long source (:mod:`tasks.media.piecework`); what follows copies
streams and looks at a few dozen small frames. Nothing is believed on an exit code: what was decoded and encoded is
counted and held against what probing promised (:mod:`tasks.media.accounts`).
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from data.domain.assets import Asset, PreparedPart, SourceFacts
from data.domain.edits import Cut
from data.domain.errors import EncodeFailedError
from data.domain.publications import AudioRendition, EditRecord, Package, PosterCandidate, Rendition, SpriteSheet
from data.domain.recipes import AudioOptions, PreviewOptions, Recipe
from tasks.media.accounts import blamed, is_true_copy, verified_frame_count
from tasks.media.arguments import WorkFiles, encode_arguments
from tasks.media.choices import Choices, Chooser, require_for
from tasks.media.conforming import Copied, copied_from, read_packets
from tasks.media.edits import own_sound
from tasks.media.edits.editing import NO_FINDINGS, NO_INPUTS, Findings
from tasks.media.edits.footage import AUDIO_RATE_HZ
from tasks.media.edits.inputs import Inputs
from tasks.media.edits.wording import kept_part, sentences
from tasks.media.first_passes import FirstPasses
from tasks.media.frames import best_frames, extract_frame, judge_frames, raw_pictures, write_jpeg
from tasks.media.hardware import chosen_encoder
from tasks.media.keyframes import plan_cut
from tasks.media.measures import ToolLog, read_log
from tasks.media.opening import Opener
from tasks.media.packaging import (
    AUDIO_NAME,
    DASH_NAME,
    MASTER_NAME,
    MP4_NAME,
    progressive_arguments,
    write_progressive,
    write_tracks,
)
from tasks.media.pieces import PieceMaker
from tasks.media.piecework import NO_PIECEWORK, Piecework, encode_in_pieces
from tasks.media.plan import EncodePlan, plan_encode
from tasks.media.playlists import variants
from tasks.media.preview import MOST_BYTES, preview_rung, preview_snippets, write_preview
from tasks.media.probe import SAFE_INPUT_ARGUMENTS
from tasks.media.process import Limits, Progress, run_ffmpeg
from tasks.media.progress import staged
from tasks.media.sprite import write_sprite
from tasks.media.tools import Toolset

POSTER_NAME = "poster.jpg"
_MOST_CANDIDATES = 12
_NO_PREVIEW = f"There is no preview: it would have been larger than {MOST_BYTES // 1_000_000} MB."


def transcode(
    source: Path,
    asset: Asset,
    recipe: Recipe,
    *,
    key: str,
    prefix: str,
    directory: Path,
    scratch: Path,
    tools: Toolset,
    encode_slot: Callable[[], AbstractContextManager[int]],
    limits: Limits,
    on_progress: Callable[[Progress], None] | None = None,
    run_id: str = "",
    inputs: Inputs = NO_INPUTS,
    piecework: Piecework = NO_PIECEWORK,
) -> Package:
    """Make every file of a package.

    Args:
        source: Absolute path of the source.
        asset: What ingest found out about it.
        recipe: What to make of it.
        key: Cache key of this step, recorded in the package.
        prefix: Where the files will lie in the object store, recorded in the package.
        directory: Empty directory that takes the package's files.
        scratch: Directory for work files, best on the same file system; the caller removes it.
        tools: The programs.
        encode_slot: Entered around the one slow step, after a wait perhaps; gives the threads that it may keep busy.
        limits: Time limits in seconds, for each program run.
        on_progress: Called with the encoder's own progress.
        run_id: Marks the processes for a later sweep.
        inputs: Everything else that the recipe's edits name.
        piecework: Has a long encode made in pieces (:mod:`tasks.media.chunks`); by default, none is.

    Raises:
        EditImpossibleError: An edit does not fit the source; nothing was encoded, and no slot taken.
        CorruptInputError: The source cannot be decoded, or much of it cannot.
        TruncatedInputError: The source ends clearly before it promised to.
        RecipeInvalidError: Two files of the package would have one name.
        DailiesError: A program failed, stalled, was killed, or ran out of time or disk.
    """
    facts, part = asset.media_facts, asset.preparation.part if asset.preparation else None
    asked_cut = recipe.edit.effective.trim.cut  # of a prepared part only the rest is left to be cut, exactly
    if part is not None:
        recipe = recipe.model_copy(update={"edit": recipe.edit.model_copy(update={"trim": part.trim})})
    cut = None
    if recipe.edit.effective.trim.cut == "keyframe":
        cut = plan_cut(source, facts, recipe, inputs, tools=tools, scratch=scratch, limits=limits, run_id=run_id)
    plan = _of_whole(cut.plan if cut else plan_encode(facts, recipe, inputs), part)
    encoder = chosen_encoder(recipe.video, tools)
    require_for(recipe, encoder, tools)
    limits = limits.patient(plan.edits.unseen_seconds if plan.edits else 0.0)
    attempt = _Attempt(facts, plan, WorkFiles(scratch), directory, tools, limits, run_id)
    chooser = Chooser(source, facts, recipe, plan, scratch, tools, limits, run_id, cut)
    maker = PieceMaker(source, facts, recipe, plan, encoder, tools, limits, run_id)
    joined = encode_in_pieces(piecework, maker, attempt.work)
    choices, findings, log, threads = Choices(recipe, encoder), NO_FINDINGS, joined.log, joined.threads
    if log is None:
        with encode_slot() as threads:
            opener = Opener(SAFE_INPUT_ARGUMENTS, threads)
            findings = FirstPasses(source, facts, plan, opener, scratch, tools, limits, run_id).findings()
            choices = chooser.choose(encoder, threads, on_progress)
            log = attempt.encode(source, choices, opener, findings, staged(on_progress, chooser.share, 1.0))
            if choices.copied and (why := attempt.why_untrue(log, choices.copied)):
                choices = replace(choices, copied=None, why_not_copied=why)
                log = attempt.encode(source, choices, opener, findings, staged(on_progress, chooser.share, 1.0))
    frame_count = verified_frame_count(log, facts, plan, attempt.work, choices.copied)
    duration = float(frame_count / plan.frame_rate)
    attempt.package()
    sprite = attempt.sprite(duration)
    candidates = attempt.candidates()
    attempt.poster(candidates[0].at_seconds)
    preview_path = attempt.preview(recipe.preview, [frame.at_seconds for frame in candidates], duration)
    audio_path = attempt.sound_file(recipe.audio)
    files = _sizes(directory)
    codecs = _codecs(directory)
    return Package(
        asset_id=asset.id,
        key=key,
        prefix=prefix,
        duration_seconds=duration,
        renditions=_renditions(plan, frame_count, files, codecs, choices),
        audio=_audio_rendition(plan, facts, duration, files, codecs),
        mp4_path=MP4_NAME,
        poster_path=POSTER_NAME,
        poster_at_seconds=candidates[0].at_seconds,
        poster_candidates=candidates,
        sprite=sprite,
        master_path=MASTER_NAME,
        dash_path=DASH_NAME,
        measures=log.measures(duration, has_audio=plan.has_sound),
        tools=tools.versions(threads, choices.hardware_encoder),
        files=files,
        preview_path=preview_path,
        audio_path=audio_path,
        notes=(
            *(cut.cut.notes(plan) if cut else ()),
            *joined.notes,
            *choices.notes,
            *(() if preview_path or recipe.preview.format == "none" else (_NO_PREVIEW,)),
        ),
        edit=_edit_record(plan, findings, asked_cut),
    )


@dataclass(frozen=True)
class _Attempt:
    """One attempt at one source: what it works with, and its steps in the order of their calls."""

    facts: SourceFacts
    plan: EncodePlan
    work: WorkFiles
    directory: Path
    tools: Toolset
    limits: Limits
    run_id: str

    def encode(
        self,
        source: Path,
        choices: Choices,
        opener: Opener,
        findings: Findings,
        on_progress: Callable[[Progress], None] | None,
    ) -> ToolLog:
        """Run the one decode and return its own account of it."""
        arguments = encode_arguments(
            source,
            self.facts,
            choices.recipe,
            self.plan,
            self.work,
            opener,
            findings=findings,
            encoder=choices.encoder,
            crfs=choices.crfs,
            copied=choices.copied,
        )
        try:
            run_ffmpeg(
                arguments,
                tools=self.tools,
                log_path=self.work.log,
                limits=self.limits,
                expected_seconds=self.plan.duration_seconds,
                on_progress=on_progress,
                run_id=self.run_id,
            )
        except EncodeFailedError as error:
            raise blamed(error, read_log(self.work.log), self.plan.edits) from error
        return read_log(self.work.log).of_input(source)

    def why_untrue(self, log: ToolLog, copied: Copied) -> str:
        """Say why a copied rung is not what the others are; empty where it is."""
        if not is_true_copy(log, self.plan, self.work, copied):
            return "some of its pictures are damaged"
        if copied.starts_at_seconds is None:
            return ""
        rung = self.work.rung(copied.rung)
        found = read_packets(
            rung, 0, tools=self.tools, scratch=self.work.directory, limits=self.limits, run_id=self.run_id
        )
        again = copied_from(found, self.plan)
        is_same = isinstance(again, Copied) and again.keyframe_times == copied.keyframe_times
        return "" if is_same else "it could not be cut at its keyframe"

    def package(self) -> None:
        """Write tracks, playlists and the progressive MP4."""
        has_audio = self.plan.has_sound
        write_tracks(
            self.work,
            self.plan,
            self.directory,
            has_audio=has_audio,
            language=_language(self.facts, self.plan),
            tools=self.tools,
            limits=self.limits,
            run_id=self.run_id,
        )
        write_progressive(
            self.work,
            self.plan,
            self.directory / MP4_NAME,
            has_audio=has_audio,
            tools=self.tools,
            limits=self.limits,
            run_id=self.run_id,
        )

    def sprite(self, duration_seconds: float) -> SpriteSheet:
        """Write the scrubbing sprite."""
        stills = self.plan.tiles
        tiles = raw_pictures(self.work.tiles, stills.width, stills.height)
        return write_sprite(tiles, stills, self.plan.frame_rate, duration_seconds, self.directory)

    def candidates(self) -> tuple[PosterCandidate, ...]:
        """Write the frames that could be the poster, best first."""
        stills = self.plan.candidates
        pictures = raw_pictures(self.work.candidates, stills.width, stills.height)
        times = [float(index * stills.step_frames / self.plan.frame_rate) for index in range(len(pictures))]
        (self.directory / "candidates").mkdir()
        written = []
        for rank, frame in enumerate(best_frames(judge_frames(pictures, times), _MOST_CANDIDATES), start=1):
            path = f"candidates/{rank:02}.jpg"
            write_jpeg(pictures[frame.index], self.directory / path)
            written.append(PosterCandidate(path=path, at_seconds=frame.at_seconds, score=frame.quality.score))
        return tuple(written)

    def poster(self, at_seconds: float) -> None:
        """Write the poster at the size of the top rung."""
        extract_frame(
            self.work.rung(self.plan.rungs[0].spec.name),
            at_seconds,
            self.directory / POSTER_NAME,
            self.tools,
            log_path=self.work.directory / "poster.log",
            limits=self.limits,
            run_id=self.run_id,
        )

    def preview(self, options: PreviewOptions, best_times: Sequence[float], duration_seconds: float) -> str | None:
        """Write the preview, if one is wanted; return its name."""
        if options.format == "none":
            return None
        name = f"preview.{options.format}"
        rung = preview_rung(self.plan.rungs, options.width)
        is_there = write_preview(
            options,
            rung,
            self.work.rung(rung.spec.name),
            preview_snippets(best_times, duration_seconds, options.seconds),
            self.directory / name,
            tools=self.tools,
            log_path=self.work.directory / "preview.log",
            limits=self.limits,
            run_id=self.run_id,
        )
        return name if is_there else None

    def sound_file(self, options: AudioOptions) -> str | None:
        """Put the sound into a file of its own, if one is wanted and there is sound; return its name."""
        if options.rendition == "none" or not self.plan.has_sound:
            return None
        name = f"{AUDIO_NAME}.{options.rendition}"
        if options.rendition != "m4a":
            return self.work.sound_file(options.rendition).rename(self.directory / name).name
        run_ffmpeg(
            progressive_arguments([self.work.audio], self.directory / name),
            tools=self.tools,
            log_path=self.work.directory / "sound-file.log",
            limits=self.limits,
            expected_seconds=self.plan.duration_seconds,
            run_id=self.run_id,
        )
        return name


def _of_whole(plan: EncodePlan, part: PreparedPart | None) -> EncodePlan:
    """Return the plan that tells of its source by the clock of what that is a part of."""
    if plan.edits is None or part is None:
        return plan
    begins_at, whole = part.begins_at_seconds, part.source_seconds
    return replace(plan, edits=replace(plan.edits, begins_at_seconds=begins_at, whole_seconds=whole))


def _edit_record(plan: EncodePlan, findings: Findings, cut: Cut) -> EditRecord | None:
    if plan.edits is None:
        return None
    return EditRecord(
        digest=plan.edits.digest,
        duration_seconds=plan.duration_seconds,
        notes=(*sentences(plan.edits), *findings.notes),
        kept=kept_part(plan.edits, cut),
    )


def _language(facts: SourceFacts, plan: EncodePlan) -> str | None:
    """Return the language of what is heard, as the file of the source's own part names it."""
    audio = own_sound.heard(plan.edits.options.sound, facts.audio, plan.edits.inputs) if plan.edits else facts.audio
    language = audio.language if audio else None
    return None if language in (None, "", "und") else language


def _sizes(directory: Path) -> dict[str, int]:
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.stat().st_size for path in paths}


def _codecs(directory: Path) -> dict[str, tuple[str, ...]]:
    master = (directory / MASTER_NAME).read_text(encoding="utf-8")
    return {variant.playlist_path: variant.codecs for variant in variants(master)}


def _renditions(
    plan: EncodePlan,
    frame_count: int,
    files: dict[str, int],
    codecs: dict[str, tuple[str, ...]],
    choices: Choices,
) -> tuple[Rendition, ...]:
    duration = float(frame_count / plan.frame_rate)
    renditions = []
    for rung in plan.rungs:
        media, playlist = f"{rung.spec.name}/", f"{rung.spec.name}.m3u8"
        size_bytes = _size_below(media, files)
        quality = choices.quality(rung.spec.name)
        renditions.append(
            Rendition(
                name=rung.spec.name,
                width=rung.width,
                height=rung.height,
                frame_rate=str(plan.frame_rate),
                size_bytes=size_bytes,
                average_kbps=_kbps(size_bytes, duration),
                frame_count=frame_count,
                codec=next(codec for codec in codecs[playlist] if not codec.startswith("mp4a")),
                media_prefix=media,
                playlist_path=playlist,
                crf=quality.crf if quality else None,
                predicted_vmaf=quality.vmaf if quality else None,
                is_copy=choices.is_copy(rung.spec.name),
            )
        )
    return tuple(renditions)


def _audio_rendition(
    plan: EncodePlan,
    facts: SourceFacts,
    duration_seconds: float,
    files: dict[str, int],
    codecs: dict[str, tuple[str, ...]],
) -> AudioRendition | None:
    if not plan.has_sound:
        return None
    media = f"{AUDIO_NAME}/"
    size_bytes = _size_below(media, files)
    named = {codec for values in codecs.values() for codec in values if codec.startswith("mp4a")}
    return AudioRendition(
        channels=2,
        sample_rate_hz=AUDIO_RATE_HZ,
        size_bytes=size_bytes,
        average_kbps=_kbps(size_bytes, duration_seconds),
        codec=named.pop(),
        media_prefix=media,
        playlist_path=f"{AUDIO_NAME}.m3u8",
        language=_language(facts, plan),
    )


def _size_below(folder: str, files: dict[str, int]) -> int:
    return sum(size for path, size in files.items() if path.startswith(folder))


def _kbps(size_bytes: int, duration_seconds: float) -> int:
    return max(1, round(size_bytes * 8 / duration_seconds / 1000))
