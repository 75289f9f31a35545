"""An S3 store that takes no writes for a while, under jobs that must not notice: transcode and publish try again."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deployments.environment import isolated
from deployments.stack import Stack
from tests.conftest import WaitUntil
from tests.fakes.cutting_proxy import CuttingProxy, cutting_proxy
from tests.fakes.job_client import JobClient
from tests.fakes.s3_server import s3_server
from tests.fakes.stack_processes import encoders
from tests.faults.conftest import NothingIsLeft, ended, own_film

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

QUICK = {"recipe": "quick", "overrides": {"video.preset": "medium"}}


@pytest.fixture(scope="module")
def proxy() -> Iterator[tuple[CuttingProxy, dict[str, str]]]:
    """What lies between the stack and its S3 server, and the stack's settings for it."""
    with s3_server() as server, cutting_proxy(urlsplit(server.endpoint_url).port or 0) as proxy:
        yield (
            proxy,
            {
                "DAILIES_STORAGE__URL": server.url,
                "DAILIES_STORAGE__ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}",
                "DAILIES_STORAGE__ACCESS_KEY": server.access_key,
                "DAILIES_STORAGE__SECRET_KEY": server.secret_key,
            },
        )


@pytest.fixture(scope="module")
def stack(
    state_home: Callable[[str], Path], media_root: Path, proxy: tuple[CuttingProxy, dict[str, str]]
) -> Iterator[Stack]:
    environment = {
        **isolated(),
        **proxy[1],
        "DAILIES_INGEST__ALLOWED_ROOTS": f'["{media_root}"]',
        "DAILIES_RETRY__FIRST_DELAY_SECONDS": "2",
    }
    with Stack(state_home("s3"), environment=environment) as running:
        yield running


def is_publishing(stack: Stack) -> bool:
    return next((stack.home / "scratch").glob("*/candidate"), None) is not None


MOMENTS: dict[str, Callable[[Stack], bool]] = {
    "encoding": lambda stack: bool(encoders(stack.stack_id)),
    "publishing": is_publishing,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_jobs_outlive_a_store_that_takes_no_writes_while(
    moment: str,
    stack: Stack,
    jobs: JobClient,
    media_root: Path,
    wait_until: WaitUntil,
    proxy: tuple[CuttingProxy, dict[str, str]],
    nothing_is_left: NothingIsLeft,
) -> None:
    folder = media_root / f"s3-{moment}"
    folder.mkdir()
    ids = [jobs.submit(str(own_film(folder / f"{number}.mp4", 8)), **QUICK) for number in range(2)]

    wait_until(lambda: MOMENTS[moment](stack), 180, "the moment")
    with proxy[0].refusing_writes():
        wait_until(
            lambda: any("TRANSIENT.STORE.UNAVAILABLE" in jobs.log_text(each) for each in ids), 120, "a step to fail"
        )
    done = ended(jobs, stack, ids)

    nothing_is_left(f"S3 refuses writes while {moment}", stack, ids)
    assert [job["state"] for job in done] == ["succeeded"] * 2, [jobs.log_text(each) for each in ids]
    assert [job["attempt"] for job in done] == [1, 1]
