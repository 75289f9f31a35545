from tasks.models.analysis.mock import MockDetector
from tests.fakes.looks import flat, looks


def test_a_simulation_says_that_it_is_one_and_stays_in_the_picture() -> None:
    detector = MockDetector()

    found = [detector.detect(look) for look in looks([flat(0)] * 130)]

    assert {label for each in found for label in each.labels} == {"simulated"}
    assert all(0 <= edge <= 1 for each in found for box in each.boxes for edge in box)
