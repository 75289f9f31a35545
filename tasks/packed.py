"""The item that this code works for when its run works for many.

A run of one asset is its job, and its steps are task runs that tell Prefect how far they are. In a pack the stages are
called as plain functions, once for each item: each is a job of its own by name, and it is the catalogue that is told.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_job: ContextVar[str | None] = ContextVar("packed_job", default=None)


@contextmanager
def working_for(job: str) -> Iterator[None]:
    """Work for one item of a pack while the block runs; ``job`` is :func:`data.domain.keys.item_job_id`."""
    token = _job.set(job)
    try:
        yield
    finally:
        _job.reset(token)


def packed_job() -> str | None:
    """Return the id of the item that this code works for; ``None`` when its run is its job."""
    return _job.get()
