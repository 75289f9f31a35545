"""Further files of edits come in by the same door as sources, and are known by their content from then on."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data.domain.errors import (
    CorruptInputError,
    DataError,
    InputTooLargeError,
    NotFoundError,
    NotMediaError,
    ObjectMissingError,
    SourceForbiddenError,
    UnsupportedInputError,
)
from data.repositories import UploadRepository
from tasks.inputs import fetch_inputs
from tests.fakes.input_desk import Desk, make_media


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_media(tmp_path_factory.mktemp("media"))


@pytest.fixture
def desk(tmp_path: Path, media: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path, media)
    yield desk
    desk.database.close()


def address(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_each_is_named_by_its_content_and_comes_back_as_what_it_is(desk: Desk, media: Path, tmp_path: Path) -> None:
    edits = desk.take(
        join={"intro": f"{media}/intro.mkv", "append": [f"{media}/silent.mkv"]},
        watermark={"source": f"{media}/logo.jpg"},
        sound={"mode": "mix", "source": f"{media}/tone.wav"},
    )

    intro, logo, tone = (address(media / name) for name in ("intro.mkv", "logo.jpg", "tone.wav"))
    assert (edits.join.intro, edits.join.outro, edits.watermark.source, edits.sound.source) == (intro, "", logo, tone)
    fetched = fetch_inputs(edits, desk.store, tmp_path / "inputs")
    assert [fetched[each].kind for each in (intro, logo, tone)] == ["clip", "picture", "sound"]
    assert fetched[intro].clip.duration_seconds == pytest.approx(0.4)
    assert fetched[intro].path.read_bytes() == (media / "intro.mkv").read_bytes()
    assert fetched[logo].size == (20, 40)
    assert fetched[tone].sound is not None
    with Image.open(fetched[logo].path) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGBA", (20, 40))


def test_the_same_content_at_another_place_is_the_same_and_is_not_stored_again(
    desk: Desk, media: Path, tmp_path: Path
) -> None:
    shutil.copy(media / "intro.mkv", media / "intro copy.mkv")
    first = desk.take(join={"intro": f"{media}/intro.mkv"})
    stored = desk.stored

    second = desk.take(join={"intro": f"{media}/intro copy.mkv"})

    assert first == second
    assert desk.stored == stored


def test_a_clip_may_be_seen_and_heard_in_several_places(desk: Desk, media: Path, tmp_path: Path) -> None:
    source = f"{media}/intro.mkv"

    edits = desk.take(join={"intro": source, "outro": source}, sound={"mode": "replace", "source": source})

    [given] = fetch_inputs(edits, desk.store, tmp_path / "inputs").values()
    assert given.kind == "clip"
    assert given.sound is not None


def test_an_mp3_without_a_title_is_a_sound(desk: Desk, media: Path) -> None:
    assert desk.take(sound={"mode": "replace", "source": f"{media}/tone.mp3"}).sound.source == address(
        media / "tone.mp3"
    )


def test_a_text_becomes_a_picture_that_the_same_text_finds_again(desk: Desk, tmp_path: Path) -> None:
    edits = desk.take(watermark={"text": "Dailies", "text_rgb": "#FF8000"})
    stored = desk.stored

    assert desk.take(watermark={"text": "Dailies", "text_rgb": "#FF8000"}) == edits
    assert desk.stored == stored
    [given] = fetch_inputs(edits, desk.store, tmp_path / "inputs").values()
    with Image.open(given.path) as picture:
        pixels = np.asarray(picture)
    assert tuple(pixels[pixels[..., 3] == 255][0]) == (255, 128, 0, 255)
    assert desk.take(watermark={"text": "Other"}).watermark.source != edits.watermark.source


def bomb(path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(path)


def cut(path: Path) -> None:
    picture = Image.effect_noise((200, 200), 50)
    picture.save(path)
    path.write_bytes(path.read_bytes()[:5000])


HOSTILE = {
    "bomb.png": (bomb, InputTooLargeError),
    "cut.png": (cut, CorruptInputError),
    "text.png": (lambda path: path.write_text("It was the best of times.\n" * 50), NotMediaError),
    "empty.png": (lambda path: path.write_bytes(b""), NotMediaError),
    "vector.png": (lambda path: path.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>'), UnsupportedInputError),
    "list.png": (lambda path: path.write_text("ffconcat version 1.0\nfile /etc/passwd\n"), UnsupportedInputError),
    "layers.png": (lambda path: Image.new("RGB", (4, 4)).save(path, format="TIFF"), UnsupportedInputError),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_picture_is_refused_by_name(name: str, desk: Desk, media: Path) -> None:
    make, error = HOSTILE[name]
    make(media / name)

    with pytest.raises(error, match=rf"edit\.watermark\.source \({media}/{name}\): ") as refused:
        desk.take(watermark={"source": f"{media}/{name}"})

    assert refused.value.facts["field"] == "edit.watermark.source"
    assert desk.stored == {}


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        ({"join": {"outro": "logo.jpg"}}, UnsupportedInputError),
        ({"join": {"append": ["intro.mkv", "tone.wav"]}}, UnsupportedInputError),
        ({"watermark": {"source": "intro.mkv"}}, UnsupportedInputError),
        ({"sound": {"mode": "mix", "source": "silent.mkv"}}, UnsupportedInputError),
        ({"sound": {"mode": "mix", "source": "logo.jpg"}}, UnsupportedInputError),
    ],
)
def test_what_is_not_what_it_should_be_is_refused(
    edit: dict[str, Any], error: type[DataError], desk: Desk, media: Path
) -> None:
    text = json.dumps(edit)
    for name in ("logo.jpg", "intro.mkv", "silent.mkv", "tone.wav"):
        text = text.replace(f'"{name}"', json.dumps(f"{media}/{name}"))

    with pytest.raises(error, match=r"edit\.(join|watermark|sound)\."):
        desk.take(**json.loads(text))


def test_files_outside_the_allowed_roots_are_refused(desk: Desk, tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    Image.new("RGB", (4, 4)).save(outside)

    with pytest.raises(SourceForbiddenError, match=r"edit\.watermark\.source"):
        desk.take(watermark={"source": str(outside)})
    with pytest.raises(SourceForbiddenError):
        desk.take(watermark={"source": "sha256:" + "0" * 64})


def test_an_upload_is_its_owners_alone(desk: Desk, media: Path) -> None:
    content = (media / "intro.mkv").read_bytes()
    with desk.database.session() as session:
        uploads = UploadRepository(session)
        upload = uploads.create("1", key="uploads/1/intro.mkv", original_name="intro.mkv", owner="mine")
        desk.store.put_bytes(content, upload.key)
        uploads.complete(upload.id, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())

    assert desk.take(owner="mine", join={"intro": f"upload:{upload.id}"}).join.intro == address(media / "intro.mkv")
    with pytest.raises(NotFoundError, match=r"edit\.join\.intro"):
        desk.take(owner="theirs", join={"intro": f"upload:{upload.id}"})


def test_what_has_gone_from_the_store_is_said_and_taken_in_anew(desk: Desk, media: Path, tmp_path: Path) -> None:
    edits = desk.take(join={"intro": f"{media}/intro.mkv"})
    for key in desk.stored:
        if not key.endswith(".json"):
            desk.store.delete(key)

    with pytest.raises(ObjectMissingError, match=r"edit\.join\.intro"):
        fetch_inputs(edits, desk.store, tmp_path / "inputs")
    desk.take(join={"intro": f"{media}/intro.mkv"})
    assert fetch_inputs(edits, desk.store, tmp_path / "inputs")
