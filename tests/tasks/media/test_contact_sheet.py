from pathlib import Path

import cv2

from tasks.media.contact_sheet import write_contact_sheet
from tasks.media.tools import find_tools
from tests.fakes.clips import clip


def test_a_contact_sheet_shows_the_whole_video(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"

    write_contact_sheet(clip("bikes"), sheet, find_tools(), stills=6, sheet_width=640, columns=3)

    image = cv2.imread(str(sheet))
    assert image is not None
    height, width = image.shape[:2]
    assert width == 3 * 213 + 4 * 8 or width == 3 * 212 + 4 * 8
    still = image[8 : (height - 24) // 2, -100:-20]
    assert still.std() > 5  # the last place of the first row is not empty
    assert image[-60:-20, -100:-20].std() > 5
