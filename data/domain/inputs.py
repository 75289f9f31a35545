"""Inputs: further files that an edit works with, as they were taken in: known by their content alone."""

from data.domain.assets import AudioFacts, SourceFacts
from data.domain.edits import CONTENT_SCHEME, InputKind
from data.domain.model import DomainModel


class TakenInput(DomainModel):
    """A file that was fetched for an edit, found to be of the right kind, and stored by its content."""

    sha256: str
    """Of the file as it was handed in."""
    kind: InputKind
    media_key: str
    """Where it lies in the object store; of a picture, what was made of it."""
    facts: SourceFacts | None = None
    """Of a clip."""
    sound: AudioFacts | None = None
    """Of a sound file, or of a clip that is heard."""
    size: tuple[int, int] | None = None
    """Of a picture: width and height in pixels."""

    @property
    def address(self) -> str:
        """By which a recipe names it from then on: two files with the same content have the same."""
        return f"{CONTENT_SCHEME}{self.sha256}"
