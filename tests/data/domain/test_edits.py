"""What edits name besides the source, and how it is named once its content is known."""

from typing import Any

import pytest

from data.domain.edits import EditOptions, NamedInput

ALL: dict[str, Any] = {
    "picture_in_picture": {"source": "/in/pip.mp4"},
    "watermark": {"source": "/in/logo.png"},
    "sound": {"mode": "mix", "source": "/in/intro.mp4"},
    "join": {"intro": "/in/intro.mp4", "append": ["/in/a.mp4", "/in/b.mp4"], "outro": "/in/intro.mp4"},
}


def test_everything_that_has_to_be_fetched_is_named_with_its_field_and_kind() -> None:
    edits = EditOptions.model_validate(ALL)

    assert edits.inputs == (
        NamedInput("edit.picture_in_picture.source", "clip", "/in/pip.mp4"),
        NamedInput("edit.watermark.source", "picture", "/in/logo.png"),
        NamedInput("edit.sound.source", "sound", "/in/intro.mp4"),
        NamedInput("edit.join.intro", "clip", "/in/intro.mp4"),
        NamedInput("edit.join.append.0", "clip", "/in/a.mp4"),
        NamedInput("edit.join.append.1", "clip", "/in/b.mp4"),
        NamedInput("edit.join.outro", "clip", "/in/intro.mp4"),
    )
    assert edits.sources == ("/in/pip.mp4", "/in/logo.png", "/in/intro.mp4", "/in/a.mp4", "/in/b.mp4")


@pytest.mark.parametrize(
    ("edit", "needs_inputs"),
    [
        ({}, False),
        ({"trim": {"start_seconds": 1}, "sound": {"mode": "mute"}}, False),
        ({"sound": {"mode": "keep", "source": "/in/a.wav"}}, False),
        ({"watermark": {"text": "  "}}, False),
        ({"watermark": {"text": "Dailies"}}, True),
        ({"join": {"outro": "/in/a.mp4"}}, True),
    ],
)
def test_only_what_is_used_is_fetched(edit: dict[str, Any], needs_inputs: bool) -> None:
    assert EditOptions.model_validate(edit).needs_inputs == needs_inputs


def test_a_text_takes_a_pictures_place_until_it_is_one() -> None:
    edits = EditOptions.model_validate({"watermark": {"source": "/in/logo.png", "text": "Dailies"}})

    drawn = edits.addressed({}, "sha256:abc")

    assert edits.sources == ()
    assert drawn.inputs == (NamedInput("edit.watermark.source", "picture", "sha256:abc"),)


def test_every_address_can_be_replaced_and_the_rest_stays() -> None:
    edits = EditOptions.model_validate({**ALL, "speed": 2.0})

    named = edits.addressed({source: f"sha256:{place}" for place, source in enumerate(edits.sources)})

    assert [each.source for each in named.inputs] == [f"sha256:{place}" for place in (0, 1, 2, 2, 3, 4, 2)]
    assert named.speed == 2.0
    assert EditOptions.model_validate(named.model_dump()) == named
