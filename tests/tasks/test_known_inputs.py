"""A plan names what edits work with as the job will, wherever it can without fetching anything."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from data.domain.assets import SourceFacts
from data.domain.edits import EditOptions
from data.domain.errors import SourceNotFoundError
from data.settings import ModelSettings
from tasks.known_inputs import JoinedClips, named_by_content
from tests.fakes.input_desk import Desk, make_media
from tests.fakes.source_facts import source_facts


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "media").mkdir()
    return make_media(tmp_path / "media")


@pytest.fixture
def desk(tmp_path: Path, media: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path, media)
    yield desk
    desk.database.close()


def test_a_plan_names_what_is_at_hand_as_the_job_will(desk: Desk, media: Path) -> None:
    edit = {
        "join": {"intro": f"{media}/intro.mkv", "outro": "https://media.example/outro.mp4"},
        "watermark": {"text": "Dailies"},
        "sound": {"mode": "mix", "source": f"{media}/gone.wav"},
    }

    named = named_by_content(EditOptions.model_validate(edit), desk.settings, desk.database, owner=None)

    taken = desk.take(join={"intro": f"{media}/intro.mkv"}, watermark={"text": "Dailies"})
    assert named.watermark == taken.watermark
    assert named.join.intro == taken.join.intro
    assert named.join.outro == "https://media.example/outro.mp4"
    assert named.sound.source == f"{media}/gone.wav"


def test_edits_that_need_nothing_taken_in_stay_as_they_are_in_plan_and_job(desk: Desk, media: Path) -> None:
    edits = EditOptions.model_validate({"speed": 2, "sound": {"source": f"{media}/tone.wav"}})

    assert not edits.needs_inputs
    assert named_by_content(edits, desk.settings, desk.database, owner=None) == edits


def test_clips_that_are_joined_are_looked_into_once_and_fade_into_one_another(desk: Desk) -> None:
    looked: list[str] = []

    def look_into(source: str) -> SourceFacts:
        looked.append(source)
        if source == "/gone.mp4":
            raise SourceNotFoundError("It is not there.")
        return source_facts(duration_seconds=4)

    clips = JoinedClips(desk.database, look_into)
    join = {"intro": "/a.mp4", "append": ["/b.mp4", "/gone.mp4"], "outro": "https://a.example/c.mp4"}

    assert clips.seconds(EditOptions.model_validate({"join": join})) == 8
    assert clips.seconds(EditOptions.model_validate({"join": {**join, "cross_fade_seconds": 0.5}})) == 7
    assert clips.seconds(EditOptions()) == 0
    assert looked == ["/a.mp4", "/b.mp4", "/gone.mp4"]


@pytest.mark.parametrize("text", ["日本語", "\u200b\u200b"])
def test_a_text_that_cannot_be_drawn_does_not_stop_a_plan(text: str, desk: Desk, tmp_path: Path) -> None:
    models = ModelSettings(directory=tmp_path / "no-models", auto_pull=False)
    settings = desk.settings.model_copy(update={"models": models})
    edits = EditOptions.model_validate({"watermark": {"text": text}})

    assert named_by_content(edits, settings, desk.database, owner=None) == edits
