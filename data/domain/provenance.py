"""Provenance: what made a video and what was changed in it, in the words of C2PA and IPTC, as data.

The same facts stand in the files themselves, as signed Content Credentials, and in the publication manifest. A file
says only what is in it: captions that lie beside a video are in the manifest alone.
"""

from enum import StrEnum

from data.domain.model import DomainModel

_IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


class ActionName(StrEnum):
    """Actions of C2PA's list (``c2pa.actions.v2``)."""

    CREATED = "c2pa.created"
    OPENED = "c2pa.opened"
    """Somebody's own file was taken in."""
    EDITED = "c2pa.edited"
    PLACED = "c2pa.placed"
    """Another file became part of it."""
    TRIMMED = "c2pa.trimmed"
    CROPPED = "c2pa.cropped"
    ORIENTATION = "c2pa.orientation"
    CHANGED_SPEED = "c2pa.changedSpeed"
    RESIZED = "c2pa.resized"
    ENHANCED = "c2pa.enhanced"
    DUBBED = "c2pa.dubbed"
    ADDED_TEXT = "c2pa.addedText"
    TRANSLATED = "c2pa.translated"
    TRANSCODED = "c2pa.transcoded"


class DigitalSource(StrEnum):
    """How what is seen and heard came to be (IPTC's digital source types)."""

    TRAINED_MODEL = f"{_IPTC}trainedAlgorithmicMedia"
    """Made by a model."""
    COMPOSITE_WITH_MODEL = f"{_IPTC}compositeWithTrainedAlgorithmicMedia"
    """Composed; a part of it is made by a model."""
    COMPOSED = f"{_IPTC}digitalCreation"
    """Composed, without a model that makes anything."""
    ENHANCED = f"{_IPTC}algorithmicallyEnhanced"
    """Improved by an algorithm or a model; nothing is made up."""


class Part(StrEnum):
    """What an action concerns."""

    PICTURE = "picture"
    SOUND = "sound"
    CAPTIONS = "captions"
    """Files of their own, beside picture and sound."""


class Agent(DomainModel):
    """A program, or a model, and its version."""

    name: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()


class Action(DomainModel):
    """One thing that was done, by a program and perhaps with models."""

    name: ActionName
    what: str
    """In a word or two: ``voice-over``, ``faces hidden``."""
    description: str
    """A sentence for a person."""
    parts: tuple[Part, ...]
    agent: Agent
    models: tuple[Agent, ...] = ()
    """That had a share in the outcome; none where no model had."""
    digital_source: DigitalSource | None = None
    """``None``: as it was before."""

    @property
    def is_in_file(self) -> bool:
        """Whether it is about what a video file holds."""
        return any(part is not Part.CAPTIONS for part in self.parts)


class Component(DomainModel):
    """Another file that became part of a video, beside its source."""

    title: str
    """What part it plays: ``Intro``. What its file is called is nobody's business."""
    sha256: str
    """Of the file as it was handed in."""
    what: str
    """The action by which it did (:attr:`Action.what`)."""


class Provenance(DomainModel):
    """Everything that was done, in order; the first action says where the video came from."""

    actions: tuple[Action, ...]
    signed: tuple[str, ...] = ()
    """Files of the publication that carry it as Content Credentials; paths relative to its prefix."""
    signer: str = ""
    """Name in the certificate that they are signed with."""
    components: tuple[Component, ...] = ()
    """Other files in it, in the order in which they came in."""

    @property
    def is_ai_generated(self) -> bool:
        """Whether a model made the video, or a part of it, from the start."""
        made = (DigitalSource.TRAINED_MODEL, DigitalSource.COMPOSITE_WITH_MODEL)
        return any(each.name is ActionName.CREATED and each.digital_source in made for each in self.actions)

    @property
    def is_ai_edited(self) -> bool:
        """Whether picture or sound were changed with a model's help afterwards."""
        return any(each.models and each.is_in_file for each in self.actions if each.name is not ActionName.CREATED)

    @property
    def summary(self) -> str:
        """What AI had a share in and with which models, as one line; empty where it had none."""
        shares = [each for each in self.actions if each.models]
        return "; ".join(f"{each.what} ({', '.join(model.name for model in each.models)})" for each in shares)

    def of_picture(self) -> "Provenance":
        """Return what concerns the picture alone, as for a still of it."""
        actions = tuple(each for each in self.actions if Part.PICTURE in each.parts)
        seen = {each.what for each in actions}
        components = tuple(each for each in self.components if each.what in seen)
        return self.model_copy(update={"actions": actions, "components": components})


class CredentialState(StrEnum):
    """What checking the Content Credentials of a file came to."""

    TRUSTED = "trusted"
    """Whole, and somebody who is trusted vouches for the signer."""
    UNTRUSTED = "untrusted"
    """Whole; nobody trusted vouches for the signer, as with a certificate of one's own, or no longer."""
    CHANGED = "changed"
    """The bytes, or the credentials, are not those that were signed."""


class ReadAction(DomainModel):
    """One action as a file says it."""

    name: str
    description: str = ""
    agent: str = ""
    models: tuple[str, ...] = ()
    digital_source: str | None = None


class ReadCredentials(DomainModel):
    """The Content Credentials of a file, as they were read and checked."""

    state: CredentialState
    problems: tuple[str, ...] = ()
    """Codes of C2PA: why it is not trusted, or how it was changed."""
    title: str = ""
    actions: tuple[ReadAction, ...] = ()
    made_with: str = ""
    """The program that wrote them."""
    signer: str = ""
    issuer: str = ""
    signed_at: str | None = None
    """As a time-stamping authority says; ``None`` where none was asked."""
    sources: tuple[str, ...] = ()
    """Titles of what it was made of."""
