"""What was found in a video, on its player page, in a real browser."""

import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from data.database import Database
from data.domain.analysis import AnalysisFile
from data.domain.publications import PublicationManifest
from data.domain.recipes import Recipe
from data.storage import ObjectStore
from tasks.media.decoding import Clip
from tasks.media.drawn_over import DrawnOver, write_drawn_over
from tasks.media.probe import probe
from tasks.media.process import Limits
from tasks.media.tools import find_tools
from tasks.showing.annotating import Annotator, Scene
from tasks.showing.charts import events_chart, heat_map, write_png
from tasks.showing.positions import Positions
from tests.api.publishing import add_analysis, publish_video
from tests.api.routes.test_watch import ARGUMENTS, CHROMIUM, marked, wait_for
from tests.fakes.sightings import EVENTS, SUMMARY, ZONES, record, rows_of, store_report

QUICK = Recipe().with_overrides({"video.preset": "ultrafast", "captions.enabled": False})


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory, store: ObjectStore, database: Database) -> PublicationManifest:
    """A second of video with all that an analysis leaves, really drawn."""
    scratch, tools = tmp_path_factory.mktemp("analysed"), find_tools()
    source = scratch / "source.mp4"
    command = [tools.ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=10:duration=1"]
    command += ["-f", "lavfi", "-i", "sine=frequency=330:duration=1", "-c:v", "libx264", "-pix_fmt", "yuv420p"]
    subprocess.run([*command, "-c:a", "aac", source], check=True)
    manifest = publish_video(source, scratch, store, database, title="Street", recipe=QUICK)
    files = scratch / "files"
    files.mkdir()
    report = store_report(store, f"artifacts/{manifest.asset_id}/analysis/k/one/", files)
    _draw(files, Clip(source, probe(source, tools)), scratch)
    sizes = store.put_tree(files, report.prefix)
    return add_analysis(manifest, report.model_copy(update={"files": sizes}), store, database)


def _draw(files: Path, clip: Clip, scratch: Path) -> None:
    """Put a real video and real charts in the place of the stand-ins."""
    scene = Scene(clip.size, Fraction(10), ZONES, EVENTS, "Motion by hand")
    annotator = Annotator(scene, Positions(iter([(frame, rows_of(frame)) for frame in range(10)]), 1))
    write_drawn_over(
        DrawnOver(clip, clip, clip.size),
        annotator.draw,
        files / AnalysisFile.ANNOTATED,
        scratch=scratch,
        tools=find_tools(),
        threads=1,
        limits=Limits(),
    )
    (scratch / "again").mkdir()
    recorder = record(scratch / "again")
    events_chart(EVENTS, recorder.course, "What happened when").save(files / AnalysisFile.EVENTS_CHART)
    still, heat = np.full((180, 320, 3), 90, np.uint8), np.ones((72, 128), np.float32)
    write_png(heat_map(still, heat, "Where tracks were"), files / AnalysisFile.HEAT_MAP)


@pytest.fixture
def page(api_url: str, analysed: PublicationManifest) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        opened = browser.new_page(viewport={"width": 1280, "height": 800})
        problems: list[str] = []
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        opened.goto(f"{api_url}/watch/{analysed.asset_id}")
        opened.wait_for_selector("body[data-state=ready]")
        yield opened
        browser.close()
    assert problems == []


@marked
def test_what_was_found_is_told_shown_and_played(page: Page) -> None:
    panel = page.locator("#analysisPanel")

    expect(panel).to_be_visible()
    expect(page.locator("#analysisSentences li").first).to_have_text("2 moving things were followed.")
    expect(page.locator("#analysisFiles a")).to_have_count(8)
    for chart in ("eventsChart", "heatMap"):
        page.locator(f"#{chart}").scroll_into_view_if_needed()
        wait_for(page, f"document.querySelector('#{chart} img').naturalWidth > 400")
    page.get_by_role("radio", name="Analysis view").click()
    wait_for(page, "video.currentSrc.endsWith('/analysis/annotated.mp4') && video.readyState >= 2")
    expect(page.locator("#badge")).to_have_text("Analysis")
    page.keyboard.press("a")
    wait_for(page, "!video.currentSrc.endsWith('/analysis/annotated.mp4') && video.readyState >= 2")


@marked
def test_a_narrow_screen_shows_all_of_it(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})

    page.locator("#heatMap").scroll_into_view_if_needed()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_was_published_with_a_version_outlives_the_cache(api: httpx.Client, analysed: PublicationManifest) -> None:
    answer = api.get(f"/api/v1/assets/{analysed.asset_id}/analysis")

    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["summary"] == SUMMARY.model_dump(mode="json")
    assert found["job_id"] == analysed.job_id
    assert len(api.get(found["events"]).json()["items"]) == len(EVENTS)
    assert api.get(found["urls"]["heat_map"]).content.startswith(b"\x89PNG")
    public = api.get(f"/media/{analysed.asset_id}").json()["publication"]["analysis"]
    assert api.get(public["urls"]["annotated"], headers={"Range": "bytes=4-7"}).content == b"ftyp"
