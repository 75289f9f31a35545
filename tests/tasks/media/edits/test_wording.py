from pathlib import Path
from typing import Any

import pytest

from data.domain.edits import EditOptions
from tasks.media.edits.editing import plan_edits
from tasks.media.edits.inputs import Input
from tasks.media.edits.wording import sentences
from tests.fakes.source_facts import source_facts


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"trim": {"start_seconds": 2.4, "end_seconds": 8}}, "Of 60.00 s, 5.60 s were kept, from 2.40 s on."),
        ({"speed": 1.5}, "It plays at 1.5 times its speed."),
        (
            {"crop": {"left": 0.5, "width": 0.5}},
            "Of 1920x1080 pixels, 960x1080 were kept, 960 from the left and 0 from the top.",
        ),
        ({"rotate": {"degrees": 90}}, "The picture was turned clockwise by 90 degrees."),
        ({"rotate": {"flip": "horizontal"}}, "The picture was mirrored left to right."),
        ({"canvas": {"aspect_ratio": "1:1"}}, "The picture was fitted to 1920x1920 pixels, with bars around it."),
        (
            {"canvas": {"aspect_ratio": "1:1", "fit": "crop"}},
            "The picture was fitted to 1080x1080 pixels, by its middle.",
        ),
        ({"sound": {"mode": "mute"}}, "Its sound was taken away."),
        ({"sound": {"mode": "replace", "source": "clip"}}, "Another sound takes the place of its own."),
        ({"sound": {"mode": "mix", "source": "clip"}}, "Another sound was mixed into its own."),
        (
            {"picture_in_picture": {"source": "clip", "start_seconds": 58}},
            "Another clip is shown top right for 2.00 s, from 58.00 s on.",
        ),
        (
            {"watermark": {"source": "logo"}},
            "A picture lies over it as a watermark, bottom right, at an opacity of 80%.",
        ),
        (
            {"watermark": {"text": "Dailies", "tiled": True, "opacity": 0.25}},
            "A text lies over it as a watermark, all over it, at an opacity of 25%.",
        ),
        (
            {"join": {"intro": "clip", "append": ["clip"], "cross_fade_seconds": 0.5}},
            "Joined to it, by cross-fades of 0.5 s: an intro of 5.00 s, a further clip of 5.00 s.",
        ),
        ({"join": {"outro": "clip"}}, "Joined to it, by hard cuts: an outro of 5.00 s."),
        ({"fade": {"out_seconds": 1}}, "It fades out to black and silence within 1 s."),
    ],
)
def test_an_edit_is_told_with_its_numbers(raw: dict[str, Any], said: str) -> None:
    inputs = {"clip": Input(Path("clip.mp4"), "clip", "0" * 64, facts=source_facts(duration_seconds=5))}
    plan = plan_edits(EditOptions.model_validate(raw), source_facts(), inputs, 60)

    assert sentences(plan) == (said,)
