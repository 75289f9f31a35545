from tasks.bulk.turns import take_turns


class Clock:
    """Time that passes only when somebody waits or works."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def taken(failing: dict[str, int], delays: list[float], work_seconds: float = 1.0) -> tuple[list[str], Clock]:
    clock, order = Clock(), []

    def work(item: str, may_try_again: bool) -> bool:
        clock.now += work_seconds
        order.append(item if may_try_again else f"{item}!")
        failing[item] = failing.get(item, 0) - 1
        return failing[item] >= 0

    take_turns("abc", work, delays, clock.sleep, lambda: clock.now)
    return order, clock


def test_an_item_that_waits_lets_the_others_go_first() -> None:
    order, clock = taken({"a": 1}, [5.0, 10.0])

    assert order == ["a", "b", "c", "a"]
    assert clock.slept == [3.0]


def test_an_item_is_told_when_there_is_no_further_try_and_then_there_is_none() -> None:
    order, _ = taken({"b": 99}, [5.0, 10.0])

    assert order == ["a", "b", "c", "b", "b!"]


def test_without_delays_everything_is_tried_once() -> None:
    order, clock = taken({"a": 9, "b": 9, "c": 9}, [])

    assert order == ["a!", "b!", "c!"]
    assert clock.slept == []
