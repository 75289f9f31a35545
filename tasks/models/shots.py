"""Shot detection with PySceneDetect: where one picture cuts to another."""

from pathlib import Path

from scenedetect import AdaptiveDetector, SceneManager, VideoOpenFailure, open_video

from data.domain.errors import CorruptInputError
from tasks.media.chapters import Shot

MIN_SHOT_SECONDS = 0.25
"""Two cuts that are nearer than this (flashes, one cut seen twice) count as one."""


def detect_shots(video: Path) -> tuple[Shot, ...]:
    """Find the shots of a video; give it the lowest rung, which is as good and much faster.

    Cuts are found where a picture differs from the last by more than its neighbours do, so that movement and camera
    shake are none.

    Returns:
        Contiguous shots from 0 to the end of the last picture, times in seconds; a video without cuts is one shot.

    Raises:
        CorruptInputError: The file cannot be decoded.
    """
    try:
        stream = open_video(str(video))
    except (OSError, VideoOpenFailure) as error:
        raise CorruptInputError(f"The shots of {video.name} cannot be found: {error}", {"name": video.name}) from error
    scenes = SceneManager()
    frames = max(1, round(MIN_SHOT_SECONDS * float(stream.frame_rate)))
    scenes.add_detector(AdaptiveDetector(min_scene_len=frames))
    scenes.detect_scenes(stream, show_progress=False)
    return tuple(
        Shot(start_seconds=float(start.seconds), end_seconds=float(end.seconds))
        for start, end in scenes.get_scene_list(start_in_scene=True)
    )
