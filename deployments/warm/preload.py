"""What a fork server does once, so that no run has to: import what runs import, finish what is put off to first use.

Nothing here may start a thread or open a connection: a fork would have neither.
"""

import contextlib
import gc
import importlib
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

logger = logging.getLogger("deployments.warm.server")

# What Prefect and others import late, inside functions, when a run is under way.
# `tests/deployments/warm/test_with_prefect.py` tells what is missing here.
LIBRARIES: tuple[str, ...] = (
    "prefect",
    "prefect.flow_engine",
    "prefect.task_engine",
    "prefect.client.orchestration",
    "prefect._internal.observers",
    "prefect._internal.metrics",
    "prefect.utilities.visualization",  # and graphviz with it
    "anyio._backends._asyncio",
    "encodings.idna",
    "encodings.ascii",
    "pydantic.v1",
    "rich._emoji_codes",
    "prefect._internal.pytz",
    "prefect._vendor.croniter",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
)
# `flows.process_batch` brings pandas and pyarrow along: a fork with them costs 2 ms more, and without them each batch
# would begin a second later.
FLOWS: tuple[str, ...] = (
    "flows.process_asset",
    "flows.transcode_chunk",
    "flows.process_items",
    "flows.process_batch",
    "flows.prepare_asset",
    "flows.generate_asset",
    "flows.generate_items",
    "flows.analyze_asset",
    "flows.maintenance",
)
_CERTIFICATES = "PREFECT_API_SSL_CERT_FILE"
_THREADS_OF_LIBRARIES = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # the allocator that pyarrow, and pandas with it, brings along
}


def preload() -> tuple[int, float]:
    """Import everything and put it out of the garbage collector's sight; return the number of modules and the seconds.

    What cannot be imported is left to the run, whose log is the place for its error.
    """
    began = time.perf_counter()
    with single_threaded_libraries(), plain_http_settings():
        for name in (*LIBRARIES, *FLOWS):
            try:
                importlib.import_module(name)
            except Exception:  # whatever a module does when it is imported
                logger.warning("%s cannot be imported here", name, exc_info=True)
    finish_models()
    finish_tables()
    prepare_work()
    # `python -m` takes a module that is there already for a mistake.
    sys.modules.pop("prefect.engine", None)
    gc.collect()
    gc.freeze()
    return len(sys.modules), time.perf_counter() - began


@contextlib.contextmanager
def single_threaded_libraries() -> Iterator[None]:
    """Keep numerical libraries from starting threads when they are loaded.

    For OpenBLAS, which numpy and OpenCV bring along, that holds in the runs as well: a run does its matrices in one
    thread. The models' own libraries (CTranslate2, ONNX) are loaded after the fork and take their threads as usual.
    """
    before = {name: os.environ.get(name) for name in _THREADS_OF_LIBRARIES}
    os.environ.update(_THREADS_OF_LIBRARIES)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def plain_http_settings() -> Iterator[None]:
    """Have Prefect load one certificate instead of all when its API is reached without TLS and it needs none at all.

    Each of the seven clients of a run loads them again, 17 ms each: half of what a warm run would cost. The variable is
    there while Prefect reads its settings, at its import, and not afterwards: what a run starts inherits the run's own
    environment.
    """
    applies = os.environ.get("PREFECT_API_URL", "").startswith("http://") and _CERTIFICATES not in os.environ
    if applies:
        os.environ[_CERTIFICATES] = str(Path(__file__).with_name("one_certificate.pem"))
    try:
        yield
    finally:
        if applies:
            del os.environ[_CERTIFICATES]


def finish_models() -> None:
    """Build the pydantic models that are put off to their first use: 0.1 s here, and 0.04 s in each run otherwise."""
    for model in set(_subclasses(BaseModel)):
        if not model.__pydantic_complete__:
            # A model with a type that is not there yet stays as it is.
            model.model_rebuild(raise_errors=False)


def finish_tables() -> None:
    """Do what SQLAlchemy and Prefect put off to the first query and the first schedule: 0.1 s in each run otherwise."""
    from prefect.client.schemas.schedules import CronSchedule
    from sqlalchemy.orm import configure_mappers

    configure_mappers()
    CronSchedule(cron="0 0 * * *", timezone="UTC")  # looks through all time zones of the machine, once


def prepare_work() -> None:
    """Do what depends on the settings: import the client of the store, and ask ffmpeg and the others what they can do.

    That takes 0.8 s here, and in each run otherwise. A run asks the tools again when their files have changed; what is
    missing is left to it, as in :func:`preload`.
    """
    if not {"data.storage", "tasks.media.tools"} <= sys.modules.keys():
        return
    from data.domain.errors import ToolMissingError
    from data.settings import get_settings
    from data.storage import S3_SCHEME
    from tasks.media.tools import find_tools

    settings = get_settings()
    if settings.storage_url.startswith(S3_SCHEME):
        importlib.import_module("data.storage.s3")
    media = settings.media
    try:
        find_tools(media.ffmpeg, media.ffprobe, media.packager)
    except ToolMissingError as error:
        logger.warning("%s", error)


def _subclasses(parent: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for child in parent.__subclasses__():
        yield child
        yield from _subclasses(child)
