from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from tasks.media.plan import StillPlan
from tasks.media.sprite import sprite_vtt, tiled, write_sprite

PLAN = StillPlan(width=160, height=90, step_frames=24, rung_index=0)


def test_tiles_are_laid_in_rows_and_the_rest_is_black() -> None:
    tiles = np.stack([np.full((2, 3, 3), value, dtype=np.uint8) for value in (10, 20, 30)])

    laid = tiled(tiles, columns=2)

    assert laid.shape == (4, 6, 3)
    assert [int(laid[y, x, 0]) for y, x in ((0, 0), (0, 3), (2, 0), (2, 3))] == [10, 20, 30, 0]


def test_each_time_maps_to_its_tile(tmp_path: Path) -> None:
    sheet = write_sprite(np.zeros((12, 90, 160, 3), np.uint8), PLAN, Fraction(24), 11.5, tmp_path)

    cues = (tmp_path / sheet.vtt_path).read_text().split("\n\n")
    assert cues[0] == "WEBVTT"
    assert cues[1] == "00:00:00.000 --> 00:00:01.000\nsprite.jpg#xywh=0,0,160,90"
    assert cues[11] == "00:00:10.000 --> 00:00:11.000\nsprite.jpg#xywh=0,90,160,90"
    assert cues[12].startswith("00:00:11.000 --> 00:00:11.500")


def test_the_sheet_says_the_size_that_the_picture_has(tmp_path: Path) -> None:
    sheet = write_sprite(np.zeros((12, 90, 160, 3), np.uint8), PLAN, Fraction(24), 12.0, tmp_path)

    picture = cv2.imread(str(tmp_path / sheet.image_path))
    assert picture is not None
    assert picture.shape[:2] == (2 * sheet.tile_height, sheet.columns * sheet.tile_width)


def test_one_frame_makes_a_sprite_of_one_tile(tmp_path: Path) -> None:
    sheet = write_sprite(np.zeros((1, 90, 160, 3), np.uint8), PLAN, Fraction(24), 1 / 24, tmp_path)

    assert (sheet.count, sheet.columns) == (1, 1)
    assert "00:00:00.000 --> 00:00:00.042" in sprite_vtt(sheet, 1 / 24)


def test_times_beyond_an_hour_are_written_as_hours(tmp_path: Path) -> None:
    plan = StillPlan(width=4, height=4, step_frames=24 * 3600, rung_index=0)

    sheet = write_sprite(np.zeros((2, 4, 4, 3), np.uint8), plan, Fraction(24), 7325.0, tmp_path)

    assert "01:00:00.000 --> 02:02:05.000" in sprite_vtt(sheet, 7325.0)
