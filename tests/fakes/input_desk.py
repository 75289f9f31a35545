"""Where further files of edits come in, in a test: a folder with some of each kind, and a desk that takes them."""

import subprocess
from pathlib import Path
from typing import Any

from PIL import Image

from data.database import Database
from data.domain.edits import EditOptions
from data.settings import IngestSettings, Settings
from data.storage import ObjectStore, open_store
from tasks.inputs import take_in_inputs
from tests.fakes.catalogues import make_catalogue
from tests.fakes.screening import TOOLS, make_clip


def make_media(folder: Path) -> Path:
    """Put clips, sounds and a picture that lies on its side into a folder."""
    make_clip(folder / "intro.mkv", "testsrc=s=64x36:r=25:d=0.4", "sine=880:d=0.4:r=48000")
    make_clip(folder / "silent.mkv", "testsrc=s=64x36:r=25:d=0.2")
    command = [TOOLS.ffmpeg, "-v", "error", "-f", "lavfi", "-i", "sine=f=1000:d=0.3:r=44100"]
    subprocess.run([*command, folder / "tone.wav"], check=True)
    subprocess.run([*command, "-id3v2_version", "0", "-write_xing", "0", folder / "tone.mp3"], check=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    Image.new("RGB", (40, 20), (255, 0, 0)).save(folder / "logo.jpg", exif=exif)
    return folder


class Desk:
    """What takes files in: settings, a store and a catalogue of its own."""

    def __init__(self, home: Path, media: Path, **ingest: Any) -> None:
        self.home = home
        self.settings = Settings(home=home, ingest=IngestSettings(allowed_roots=[media], **ingest), _env_file=None)
        self.store: ObjectStore = open_store(f"file://{home / 'store'}")
        url = f"sqlite:///{home / 'catalogue.db'}"
        make_catalogue(url)
        self.database = Database(url)

    def take(self, owner: str | None = None, **edit: Any) -> EditOptions:
        scratch = self.home / "scratch"
        scratch.mkdir(exist_ok=True)
        edits = EditOptions.model_validate(edit)
        return take_in_inputs(edits, scratch, self.settings, self.store, self.database, owner=owner)

    @property
    def stored(self) -> dict[str, float]:
        """When each file of edits was written."""
        return {each.key: each.modified_at.timestamp() for each in self.store.list("inputs/")}
