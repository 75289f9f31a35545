"""The encode slot of this machine that a step holds, and the wait for it, which is seen."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from prefect.logging import get_run_logger

from data.settings import get_settings
from tasks.media.slots import holding_slot
from tasks.policies import encode_slots
from tasks.progress import StepProgress
from tasks.stopping import waiting
from tasks.workspace import encode_rank


@contextmanager
def encode_slot(progress: StepProgress, rank: Callable[[], int] = encode_rank) -> Iterator[int]:
    """Hold an encode slot, and let the wait for it be seen; gives the threads that were granted.

    Args:
        progress: Told of the wait.
        rank: Of the wait, asked again and again; what it raises ends that.
    """
    logger, settings = get_run_logger(), get_settings()
    slots = encode_slots(settings)
    told = False

    def on_wait(position: int) -> None:
        nonlocal told
        progress.wait_for_slot(position)
        if not told:
            logger.info("Waiting for one of this machine's %d encode slots, at place %d.", slots.units, position)
            told = True

    try:
        with ExitStack() as held:
            with waiting():
                grant = held.enter_context(holding_slot(slots, rank=rank, on_wait=on_wait))
            progress.go_on()
            logger.info("Encoding with %d threads, after a wait of %.1f s.", grant.threads, grant.waited_seconds)
            yield grant.threads
    finally:
        progress.go_on()
