"""What is said of a video's provenance: a pure function of what is on record about how it was made.

Only what was done is said. What a model merely looked at (moderation, the choice of a poster, text that was read) is no
change, and is not named.
"""

from collections.abc import Callable, Iterator

from data.domain.assets import Asset, Preparation
from data.domain.edits import CONTENT_SCHEME, EditOptions, TrimOptions
from data.domain.generations import Capability
from data.domain.ledger import Generation
from data.domain.provenance import Action, ActionName, Agent, Component, DigitalSource, Part, Provenance
from data.domain.publications import CaptionTrack, GeneratedArtifacts, Package
from data.version import VERSION
from tasks.models.versions import (
    CAPTIONS_VERSION,
    FACE_MODEL,
    NARRATION_MODEL,
    PREPARE_VERSION,
    SALIENCY_MODEL,
)

DAILIES = "Dailies"
NO_EDITS = EditOptions()

_SOUNDS = {"mute": "muted", "replace": "replaced", "mix": "mixed with another"}
_PLACING = {"join": "joined", "picture_in_picture": "picture in picture"}
_ROLES = {"intro": "Intro", "append": "Further clip", "outro": "Outro"}
_ALL = (Part.PICTURE, Part.SOUND)
_STORYBOARD = "storyboard"
_MODELS_OF_STORYBOARDS = frozenset({FACE_MODEL, SALIENCY_MODEL})
_HASH_CHARACTERS = 12


def provenance_of(
    asset: Asset,
    package: Package,
    artifacts: GeneratedArtifacts,
    made: Generation | None,
    agent_of: Callable[[str], Agent],
    edits: EditOptions = NO_EDITS,
) -> Provenance:
    """Return everything that was done to make a publication, in order.

    Args:
        asset: With what was prepared of it.
        package: What was encoded.
        artifacts: What AI made beside it.
        made: The entry of the ledger whose result the asset is; ``None`` where somebody handed it in.
        agent_of: Returns a model of ours with its version, by name.
        edits: What else a recipe had done to picture and sound, without any model.
    """
    actions = [_created(made) if made else _opened(package)]
    if asset.preparation:
        actions += _prepared(asset.preparation)
    # Without sound no loudness is set, whatever a recipe wants.
    done = edits if package.audio else edits.model_copy(update={"loudness": NO_EDITS.loudness})
    actions += edited(done.model_copy(update={"trim": _as_kept(done.trim, package)}))
    actions.append(_transcoded(package))
    actions += [_captioned(track, agent_of(track.model)) for track in artifacts.captions]
    return Provenance(actions=tuple(actions), components=tuple(_components(done.effective)))


def _as_kept(asked: TrimOptions, package: Package) -> TrimOptions:
    """Return a trim at a keyframe with the ends that it really has; an exact one as it was asked for."""
    kept = package.edit.kept if package.edit else None
    if asked.cut == "exact":
        return asked
    return TrimOptions(start_seconds=kept.start_seconds, end_seconds=kept.end_seconds) if kept else TrimOptions()


def _opened(package: Package) -> Action:
    return Action(
        name=ActionName.OPENED,
        what="source",
        description="A file that somebody handed in was taken in.",
        parts=_parts(package),
        agent=Agent(name=DAILIES),
    )


def _created(made: Generation) -> Action:
    if made.engine == _STORYBOARD:
        return _composed(made)
    models = tuple(_models(made))
    return Action(
        name=ActionName.CREATED,
        what="video",
        description=f"Made from {_made_from(made)} by {models[0].name}, a model.",
        parts=_ALL,
        agent=Agent(name=made.provider if made.provider == made.engine else f"{made.provider} ({made.engine})"),
        models=models,
        digital_source=DigitalSource.TRAINED_MODEL,
    )


def _made_from(made: Generation) -> str:
    return "words and a picture" if made.capability is Capability.IMAGE_TO_VIDEO else "words"


def _models(made: Generation) -> Iterator[Agent]:
    """Yield what made it, as far as the provider tells."""
    details = made.details
    if workflow := (details.get("workflows") or {}).get(made.capability.value):
        yield Agent(name=f"workflow of {made.provider}", version=str(workflow)[:_HASH_CHARACTERS])
        return
    name = str(details.get("model") or made.model or made.provider)
    yield Agent(name=name, version=str(details.get("model_sha256") or "")[:_HASH_CHARACTERS])


def _composed(made: Generation) -> Action:
    """Nothing in a storyboard is made by a model, except the voice."""
    details = made.details
    voice = details.get("voice")
    used = _MODELS_OF_STORYBOARDS | ({NARRATION_MODEL} if voice else set())
    versions = dict(details.get("models") or {})
    models = tuple(
        Agent(name=name, version=str(version).removeprefix(f"{name}-"))
        for name, version in sorted(versions.items(), key=lambda each: (each[0] != NARRATION_MODEL, each[0]))
        if name in used
    )
    with_voice = f"; a voice ({voice}, made by a model) reads them" if voice else ""
    return Action(
        name=ActionName.CREATED,
        what="video composed, with a voice" if voice else "video composed",
        description=f"Composed of somebody's own words, pictures and clips{with_voice}.",
        parts=_ALL,
        agent=Agent(name=_STORYBOARD, version=str(details.get("version") or "")),
        models=models,
        digital_source=DigitalSource.COMPOSITE_WITH_MODEL if voice else DigitalSource.COMPOSED,
    )


def _prepared(preparation: Preparation) -> tuple[Action, ...]:
    """Return what was done to picture and sound; of records from before that was kept, in words only."""
    if preparation.actions is not None:
        return preparation.actions
    done = [note for note in preparation.notes if not note.startswith(("Not ", "No "))]
    agent = Agent(name=DAILIES, version=PREPARE_VERSION)
    return tuple(
        Action(name=ActionName.EDITED, what="edited", description=note, parts=_ALL, agent=agent) for note in done
    )


def edited(options: EditOptions) -> tuple[Action, ...]:
    """Return the edits that a recipe asks for, in the order in which they are carried out."""
    agent = Agent(name=DAILIES, version=VERSION)
    return tuple(
        Action(name=name, what=what, description=told, parts=parts, agent=agent)
        for name, what, told, parts in _edits(options.effective)
    )


def _edits(options: EditOptions) -> Iterator[tuple[ActionName, str, str, tuple[Part, ...]]]:
    picture, sound, plain = (Part.PICTURE,), (Part.SOUND,), NO_EDITS
    if options.trim != plain.trim:
        end = "its end" if options.trim.end_seconds is None else f"{options.trim.end_seconds:g} s"
        yield ActionName.TRIMMED, "trimmed", f"Kept from {options.trim.start_seconds:g} s to {end}.", _ALL
    if options.deinterlace == "always":
        yield ActionName.ENHANCED, "de-interlaced", "De-interlaced.", picture
    if options.stabilise:
        yield ActionName.EDITED, "stabilised", "The shake of the camera was taken out.", picture
    if options.crop != plain.crop:
        yield ActionName.CROPPED, "cropped", "A part of the picture was cut out.", picture
    if options.rotate != plain.rotate:
        yield ActionName.ORIENTATION, "rotated", "The picture was turned or mirrored.", picture
    if options.speed != plain.speed:
        yield ActionName.CHANGED_SPEED, "speed", f"Plays {options.speed:g} times as fast.", _ALL
    if options.canvas != plain.canvas:
        yield ActionName.RESIZED, "canvas", "Fitted into a picture of another size or shape.", picture
    if options.picture_in_picture.source:
        yield ActionName.PLACED, "picture in picture", "Another clip is shown in a corner.", picture
    if options.watermark.has_text:  # first: once it was taken in, there is the address of its picture beside it
        yield ActionName.ADDED_TEXT, "watermark", "A text was laid over it, to be seen.", picture
    elif options.watermark.source:
        yield ActionName.PLACED, "watermark", "A picture was laid over it, to be seen.", picture
    if options.sound.mode != "keep":
        told = _SOUNDS[options.sound.mode]
        name = ActionName.PLACED if options.sound.takes_other else ActionName.EDITED
        yield name, f"sound {told}", f"The sound was {told}.", sound
    if options.fade != plain.fade:
        yield ActionName.EDITED, "fades", "Fades in or out.", _ALL
    if options.join.intro or options.join.append or options.join.outro:
        yield ActionName.PLACED, "joined", "Joined with other clips.", _ALL
    if options.loudness.target_lufs is not None:
        yield ActionName.ENHANCED, "loudness", f"Set to {options.loudness.target_lufs:g} LUFS.", sound


def _components(options: EditOptions) -> Iterator[Component]:
    """Yield the further files in a video, as they were taken in; a text that was drawn is no file of anybody's."""
    for given in options.inputs:
        _, operation, *place = given.field.split(".")
        what = f"sound {_SOUNDS[options.sound.mode]}" if operation == "sound" else _PLACING.get(operation, operation)
        if given.source.startswith(CONTENT_SCHEME) and not (operation == "watermark" and options.watermark.has_text):
            title = _ROLES.get(place[0], "") or operation.replace("_", " ").capitalize()
            yield Component(title=title, sha256=given.source.removeprefix(CONTENT_SCHEME), what=what)


def _transcoded(package: Package) -> Action:
    return Action(
        name=ActionName.TRANSCODED,
        what="encoded",
        description="Encoded for playback.",
        parts=_parts(package),
        agent=Agent(name="ffmpeg", version=package.tools.ffmpeg),
    )


def _captioned(track: CaptionTrack, model: Agent) -> Action:
    return Action(
        name=ActionName.TRANSLATED if track.is_translation else ActionName.ADDED_TEXT,
        what="translation" if track.is_translation else "captions",
        description=f"{track.label}: {'translated' if track.is_translation else 'written down'} by a model.",
        parts=(Part.CAPTIONS,),
        agent=Agent(name=DAILIES, version=CAPTIONS_VERSION),
        models=(model,),
    )


def _parts(package: Package) -> tuple[Part, ...]:
    return _ALL if package.audio else (Part.PICTURE,)
