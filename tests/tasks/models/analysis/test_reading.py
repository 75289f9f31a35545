from fractions import Fraction

import cv2
import numpy as np

from data.domain.analysis import AnalysisOptions
from tasks.models.analysis.detections import look_at
from tasks.models.analysis.plan import AnalysisPlan, Sampled
from tasks.models.analysis.reading import TextWatch
from tests.fakes.looks import flat


def test_a_title_is_an_event_of_its_text_place_and_time() -> None:
    watch = TextWatch(AnalysisPlan(AnalysisOptions(ocr_interval=1), Fraction(2), 8, (640, 360)))
    title = flat(255, 640, 360)
    cv2.putText(title, "GOOD EVENING", (120, 200), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (0, 0, 0), 4)
    for number in range(8):
        picture = title if number >= 4 else flat(255, 640, 360)
        watch.look(look_at(Sampled(number, number / 2, np.ascontiguousarray(picture))))

    (event,) = watch.end(4.0)

    assert event.kind == "text"
    assert event.label.replace(" ", "") == "GOODEVENING"
    assert (event.at_seconds, event.frame, event.value) == (2.0, 4, 2.0)
    assert event.box is not None
    assert 0.1 < event.box.left < 0.3
