from tasks.models.analysis.detections import look_at
from tasks.models.analysis.faces import FaceDetector
from tasks.models.analysis.plan import Sampled
from tasks.models.store import ModelStore
from tests.fakes.clips import clip
from tests.fakes.pictures import plain, still


def test_faces_are_found_in_shares_of_the_picture(models: ModelStore) -> None:
    detector = FaceDetector(models.path("centerface"), 0.6)

    one = detector.detect(look_at(Sampled(0, 0.0, still(clip("single_face")))))
    none = detector.detect(look_at(Sampled(1, 0.1, plain(320, 240))))

    assert one.labels == ("face",)
    left, top, right, bottom = one.boxes[0]
    assert 0 <= left < right <= 1
    assert 0 <= top < bottom <= 1
    assert len(none) == 0
