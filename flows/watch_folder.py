"""The watched folder: new files become a batch, every minute."""

from prefect import flow

from tasks.watching import sweep_folder


@flow(name="watch-folder")
def watch_folder() -> str | None:
    """Make a batch of what is new in the watched folder (setting ``DAILIES_BATCH__WATCHED_FOLDER``); return its id."""
    batch = sweep_folder()
    return batch.id if batch else None
