"""Take items in turn; one that has to wait before it is tried again lets the others go first."""

import heapq
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def take_turns(
    items: Iterable[Item],
    work: Callable[[Item, bool], bool],
    delays: Sequence[float],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Work on each item until it needs no further try.

    Args:
        items: What to work on, in this order.
        work: Works on an item; is told whether there may be another try, and says whether it wants one.
        delays: Seconds before each further try.
        sleep: Waits; called only when nothing else is to be done.
        clock: Tells the time in seconds.
    """
    # An item's first turn is due since ever, so all of those come before any second one.
    line = [(float("-inf"), place, 0, item) for place, item in enumerate(items)]
    while line:
        due, place, tries, item = heapq.heappop(line)
        if (wait := due - clock()) > 0:
            sleep(wait)
        if work(item, tries < len(delays)) and tries < len(delays):
            heapq.heappush(line, (clock() + delays[tries], place, tries + 1, item))
