"""Picture-in-picture: another clip in a corner, without its sound, from a time of the source's own part on."""

from typing import Any

import ffmpeg

from data.domain.edits import PictureInPictureOptions
from data.domain.errors import EditImpossibleError
from tasks.media.edits.footage import Footage, Shape
from tasks.media.edits.inputs import Input, clip_pictures, even
from tasks.media.edits.watermark import Place, cornered

ROLE = "edit.picture_in_picture.source"


def outcome(options: PictureInPictureOptions, shape: Shape) -> Shape:
    """Return the shape as it is: the other clip ends with the video at the latest.

    Raises:
        EditImpossibleError: The video is over before the other clip begins.
    """
    if _start_frame(options, shape) >= shape.frame_count:
        raise EditImpossibleError(
            f"The picture-in-picture begins at {options.start_seconds:g} s, and the video ends at "
            f"{shape.duration_seconds:.3f} s (edit.picture_in_picture.start_seconds).",
            {
                "field": "edit.picture_in_picture.start_seconds",
                "start_seconds": options.start_seconds,
                "duration_seconds": shape.duration_seconds,
            },
        )
    return shape


def applied(options: PictureInPictureOptions, footage: Footage, given: Input) -> Footage:
    """Lay the other clip over the frames from its start on, frame by frame, until either of the two ends."""
    shape = footage.shape
    place = placed(options, shape.size, (given.clip.video.width, given.clip.video.height))
    start = _start_frame(options, shape)
    pictures: Any = clip_pictures(
        given, ROLE, shown_frames(options, shape, given), shape.frame_rate, (place.width, place.height)
    )
    if start:
        pictures = pictures.filter("setpts", f"PTS+{start}")  # after `fps` a frame lasts one tick
    picture = ffmpeg.filter(
        [footage.picture, pictures], "overlay", x=place.left, y=place.top, format="yuv420", eof_action="pass"
    )
    return Footage(shape, picture, footage.sound)


def shown_frames(options: PictureInPictureOptions, shape: Shape, given: Input) -> int:
    """Return how many frames of the other clip are shown."""
    return min(given.frame_count(shape.frame_rate), shape.frame_count - _start_frame(options, shape))


def placed(options: PictureInPictureOptions, size: tuple[int, int], own_size: tuple[int, int]) -> Place:
    """Return where a clip of some size lies in a video of another, both in pixels; it keeps its form."""
    margin = round(options.margin * min(size))
    scale = min(options.size * size[0] / own_size[0], size[1] / own_size[1])
    inside = (even(own_size[0] * scale), even(own_size[1] * scale))
    width, height = min(inside[0], size[0] // 2 * 2), min(inside[1], size[1] // 2 * 2)
    return Place(*cornered(options.position, size, (width, height), margin), width, height)


def _start_frame(options: PictureInPictureOptions, shape: Shape) -> int:
    return round(options.start_seconds * shape.frame_rate)
