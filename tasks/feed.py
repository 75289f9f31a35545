"""The feeding of a batch, to its end."""

import time
from datetime import UTC, datetime
from uuid import UUID

import httpx
from prefect import task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.exceptions import PrefectException, TerminationSignal
from prefect.logging import get_run_logger

from data.database import Database, open_database
from data.domain.batches import Batch, BatchWish
from data.domain.errors import CatalogueUnavailableError, OrchestratorUnavailableError
from data.recipes import rehearsal_names
from data.repositories import BatchRepository
from data.settings import get_settings
from tasks.bulk.bulletin import Pace, bulletin
from tasks.bulk.feed import Feed, FeedRules, Progress
from tasks.bulk.feeding import Course
from tasks.bulk.fleet import Fleet
from tasks.bulk.ledger import Ledger, Standing
from tasks.media.cores import usable_cores
from tasks.stopping import waiting
from tasks.workspace import run_id

_LOOK_SECONDS = 1.0
_GLANCES = 2
"""After a tick that showed nothing new: looks, before the next, at nothing but whether a run has ended."""
_IDLE_SECONDS = 3.0
"""Between two looks at a batch that waits."""
_LONGEST_WAIT_SECONDS = 30.0
"""Between two looks while Prefect or the catalogue does not answer."""
_TELL_SECONDS = 10.0


@task(task_run_name="feed", persist_result=False)
def feed_batch(batch_id: str) -> bool:
    """Feed a batch until all of its items have ended, obeying what is asked of it meanwhile.

    It may be killed at any moment; the next attempt goes on, and no item is lost or done twice.

    Returns:
        Whether the batch has ended; not, when another run has taken it over.
    """
    settings = get_settings()
    database = open_database(settings.catalogue_url)
    ledger = Ledger(database, batch_id)
    ledger.take_over(run_id())
    rules = FeedRules(
        run_id=run_id(),
        rehearsals=rehearsal_names(settings.recipe_folder),
        unlimited_slots=2 * usable_cores(),
        hour_cost=settings.batch.cpu_hour_cost,
    )
    with get_client(sync_client=True) as client:
        feed = Feed(ledger, Fleet(client), rules, get_run_logger())
        try:
            with waiting():  # the job's time limit is not for a batch
                progress = _run(feed, _Board(ledger))
        except TerminationSignal:
            if _is_cancelled(client):  # by a person, in the Prefect UI: who stops the feed means the batch
                _wish_cancel(database, batch_id)
            raise
    return progress is Progress.ENDED


def read_batch(batch_id: str) -> Batch:
    """Return a batch as it stands."""
    with open_database(get_settings().catalogue_url).session() as session:
        return BatchRepository(session).get(batch_id)


def _run(feed: Feed, board: "_Board") -> Progress:
    """Tick until the batch has ended; while Prefect or the catalogue is away, wait for it."""
    logger, wait, silent = get_run_logger(), _LOOK_SECONDS, False
    while True:
        before = feed.standing
        try:
            progress = feed.tick()
            board.tell(feed)
            if progress is not Progress.GOES_ON:
                return progress
            if silent:
                logger.info("Going on.")
            silent, wait = False, _LOOK_SECONDS
            _rest(feed, before)
        except (OrchestratorUnavailableError, CatalogueUnavailableError) as error:
            if not silent:
                logger.warning("Waiting: %s", error)
            silent, wait = True, min(wait * 2, _LONGEST_WAIT_SECONDS)
            time.sleep(wait)


def _rest(feed: Feed, before: Standing | None) -> None:
    """Wait until the next tick is worth its while, by what the last one showed."""
    if feed.course is Course.HOLD:
        time.sleep(_IDLE_SECONDS)
        return
    time.sleep(_LOOK_SECONDS)
    if feed.standing == before:
        for _ in range(_GLANCES):
            if not feed.is_quiet():
                return
            time.sleep(_LOOK_SECONDS)


class _Board:
    """Where people look: one Prefect progress artifact for the batch. Lives as long as the feed.

    Telling must never stop the work: what could not be told now is told later.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._pace = Pace()
        self._artifact: UUID | None = None
        self._told_at = 0.0
        self._is_late = False
        self._logger = get_run_logger()

    def tell(self, feed: Feed) -> None:
        """Bring the artifact up to date, at most every ten seconds, and at the end."""
        standing = feed.standing
        if standing is None or (time.monotonic() - self._told_at < _TELL_SECONDS and feed.course is not Course.END):
            return
        self._told_at = time.monotonic()
        now = datetime.now(UTC)
        news = bulletin(standing.batch, standing.counts, self._ledger.work(), self._pace, now)
        self._show(news.share, news.text)
        deadline = standing.batch.options.finish_by
        if deadline and news.finishes_at and news.finishes_at > deadline and not self._is_late:
            self._is_late = True
            self._logger.warning(
                "The batch finishes about %s, after its deadline %s.", f"{news.finishes_at:%F %H:%M} UTC", deadline
            )

    def _show(self, share: float, text: str) -> None:
        try:
            if self._artifact is None:
                made = create_progress_artifact(share * 100, description=text)
                assert isinstance(made, UUID)
                self._artifact = made
            else:
                update_progress_artifact(self._artifact, share * 100, description=text)
        except (httpx.HTTPError, PrefectException) as error:
            self._logger.debug("The progress of the batch was not reported: %s", error)


def _is_cancelled(client: SyncPrefectClient) -> bool:
    """Say whether the run is being cancelled, rather than its worker stopped."""
    try:
        state = client.read_flow_run(UUID(run_id())).state
    except (httpx.HTTPError, PrefectException):
        return False
    return state is not None and state.type in (StateType.CANCELLING, StateType.CANCELLED)


def _wish_cancel(database: Database, batch_id: str) -> None:
    with database.session() as session:
        BatchRepository(session).set_wish(batch_id, BatchWish.CANCEL)
