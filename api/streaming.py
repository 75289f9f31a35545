"""Objects of the store on their way to a client."""

from collections.abc import AsyncIterator, Iterator

from fastapi.concurrency import iterate_in_threadpool


async def from_thread(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Stream from a thread, and let go of the object at once when the viewer leaves in the middle (they often do)."""
    try:
        async for chunk in iterate_in_threadpool(chunks):
            yield chunk
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
