"""Which files of tests one worker runs, one after the other, and which of them begin first.

A worker starts a server, and loads a model, once for all of its tests: files that share one cost it once where one
worker has them all. So the files of a share below go to one worker; every other file is a share of its own. The long
shares come first, then the files with many tests, so that no core is idle at the end.
"""

from collections import Counter
from collections.abc import Iterable

import pytest
from xdist.scheduler import LoadFileScheduling

SHARES = {
    "api": ("tests/api/",),
    "runs": (
        "tests/deployments/test_rate_limits.py",
        "tests/deployments/test_worker.py",
        "tests/deployments/warm/test_with_prefect.py",
        "tests/flows/test_maintenance.py",
        "tests/flows/test_run_name.py",
        "tests/flows/test_settle_generations.py",
        "tests/tasks/bulk/test_feed.py",
        "tests/tasks/bulk/test_fleet.py",
        "tests/tasks/reconcile/",
        "tests/tasks/retention/test_use.py",
        "tests/tasks/test_batches.py",
        "tests/tasks/test_chunk_helpers.py",
        "tests/tasks/test_generations.py",
        "tests/tasks/test_policies.py",
        "tests/tasks/test_report.py",
        "tests/tasks/test_retry_wait.py",
        "tests/tasks/test_stopping.py",
    ),
    "models": (
        "tests/tasks/test_editing.py",
        "tests/tasks/test_lettered_mark.py",
        "tests/tasks/models/",
        "tests/tasks/providers/storyboard/",
    ),
    "stores": (
        "tests/data/repositories/",
        "tests/data/search/",
        "tests/data/storage/",
        "tests/data/test_auditing.py",
        "tests/data/test_copies.py",
        "tests/data/test_copying.py",
        "tests/data/test_database.py",
        "tests/data/test_locks.py",
        "tests/data/test_named_locks.py",
        "tests/data/test_reviews.py",
        "tests/tasks/providers/test_buckets.py",
        "tests/tasks/providers/test_fingerprints.py",
        "tests/tasks/providers/test_generation.py",
    ),
    "stack": (
        "tests/deployments/test_bootstrap.py",
        "tests/flows/test_process_asset.py",
    ),
}
"""The files, and the folders with all of theirs, that use a Prefect server, models, databases or a stack together.

A Prefect server for all would be too much for one worker: the others would wait for it at the end.
"""
FIRST = ("api", "models", "stores", "runs", "stack")
"""What takes longest, longest first."""


def share_of(nodeid: str) -> str:
    """Return the name of the share that a test belongs to."""
    file = nodeid.split("::", 1)[0]
    return next((name for name, places in SHARES.items() if file.startswith(places)), file)


def in_order(nodeids: Iterable[str]) -> list[str]:
    """Return the shares of some tests, in the order in which workers get them."""
    sizes = Counter(map(share_of, nodeids))
    return sorted(sizes, key=lambda share: (FIRST.index(share) if share in FIRST else len(FIRST), -sizes[share]))


class Shares(LoadFileScheduling):
    """Gives each worker that is free the next share."""

    def _split_scope(self, nodeid: str) -> str:
        return share_of(nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests in the order of their shares, in every worker alike."""
    places = {share: place for place, share in enumerate(in_order(item.nodeid for item in items))}
    items.sort(key=lambda item: places[share_of(item.nodeid)])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Shares | None:
    """Give out shares instead of files where files were asked for, in the order in which they were collected."""
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return Shares(config, log)
