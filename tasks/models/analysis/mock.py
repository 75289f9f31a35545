"""A simulation: something that goes to and fro, for trying out what consumes results. It looks at nothing."""

from math import cos, pi, sin

from tasks.models.analysis.detections import Detections, Edges, Look

_THINGS = 3
_ROUND_SECONDS = 12.0
_WIDTH, _HEIGHT = 0.06, 0.2


class MockDetector:
    """Makes things up, the same in every video; says so in its name and in every label."""

    name = "SIMULATED: made-up things, no picture was looked at"
    is_simulated = True

    def detect(self, look: Look) -> Detections:
        """Return where the made-up things are by now."""
        turn = 2 * pi * look.at_seconds / _ROUND_SECONDS
        places = [_place(turn + 2 * pi * number / _THINGS, number) for number in range(_THINGS)]
        return Detections(places, (0.9,) * _THINGS, ("simulated",) * _THINGS)


def _place(turn: float, number: int) -> Edges:
    x, foot = 0.5 + 0.4 * cos(turn), 0.35 + 0.25 * number + 0.04 * sin(turn)
    return x - _WIDTH / 2, foot - _HEIGHT, x + _WIDTH / 2, foot
