"""The player page in a real browser, on a really packaged video."""

import shutil
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from data.domain.publications import PublicationManifest
from tests.fakes.processes import wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
]
browser_test = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]


def marked(function: Any) -> Any:
    for mark in browser_test:
        function = mark(function)
    return function


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, api_url: str, published: PublicationManifest) -> Iterator[Page]:
    """The player page, loaded; fails the test if the page logs an error."""
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    opened.goto(f"{api_url}/watch/{published.asset_id}")
    opened.wait_for_selector("body[data-state=ready]")
    yield opened
    opened.close()
    assert problems == []


def wait_for(page: Page, expression: str) -> None:
    """Wait until an expression holds; Playwright's own way to wait needs `eval`, which the page's policy forbids."""
    wait_until(lambda: bool(page.evaluate(expression)), 20, expression)


def play(page: Page) -> None:
    page.get_by_role("button", name="Play").first.click()
    wait_for(page, "video.currentTime > 0.5")


@marked
def test_the_video_plays_over_hls_where_the_browser_can(page: Page) -> None:
    play(page)

    begun = page.evaluate("video.currentTime")
    wait_for(page, f"video.currentTime > {begun} + 0.5")
    can_hls = page.evaluate("video.canPlayType('application/vnd.apple.mpegurl') !== ''")
    assert page.evaluate("player.dataset.source") == ("HLS" if can_hls else "MP4")
    assert page.evaluate("video.videoWidth") in (640, 426)


@marked
def test_captions_are_shown_and_can_be_switched_off(page: Page) -> None:
    play(page)

    expect(page.locator("#captions")).to_have_text("It was the best of times")
    page.keyboard.press("c")
    expect(page.locator("#captions")).to_be_empty()
    expect(page.get_by_role("button", name="Captions")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("c")
    expect(page.locator("#captions")).to_have_text("It was the best of times")


@marked
def test_chapters_are_listed_and_a_click_goes_there(page: Page) -> None:
    chapters = page.locator("#chapters button")

    expect(chapters.locator("strong")).to_have_text(["Beginning", "Middle", "End"])
    chapters.nth(2).click()
    wait_for(page, "video.currentTime >= 6")
    expect(chapters.nth(2)).to_have_attribute("aria-current", "true")
    expect(chapters.nth(0)).to_have_attribute("aria-current", "false")


@marked
def test_one_line_says_what_ai_did_and_the_rest_is_behind_it(page: Page) -> None:
    made = page.locator("#made")
    expect(made.locator("summary")).to_have_text("With AI: captions (whisper-base)")
    expect(made.get_by_text("Encoded for playback.")).to_be_hidden()

    made.locator("summary").click()

    expect(made.get_by_text("Encoded for playback.")).to_be_visible()
    expect(made.get_by_text("Signed into the files (Content Credentials): video.mp4.")).to_be_visible()


@marked
def test_a_thumbnail_appears_over_the_timeline(page: Page, published: PublicationManifest) -> None:
    wait_for(page, "document.querySelector('.still')?.style.backgroundImage")
    box = page.locator("#timeline").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.55, box["y"] + box["height"] / 2)

    picture = page.locator("#previewPicture")
    expect(page.locator("#preview")).to_have_css("opacity", "1")
    expect(picture).to_be_visible()
    assert published.sprite.image_path in picture.evaluate("box => box.style.backgroundImage")
    assert picture.evaluate("box => box.style.backgroundPosition") != "0px 0px"
    expect(page.locator("#previewTime")).to_have_text("0:04")
    expect(page.locator("#previewChapter")).to_have_text("Middle")


@marked
def test_the_keyboard_controls_the_player(page: Page) -> None:
    page.keyboard.press("Space")
    wait_for(page, "!video.paused")
    page.keyboard.press("Space")
    wait_for(page, "video.paused")
    page.keyboard.press("5")
    wait_for(page, "Math.abs(video.currentTime - 4) < 0.2")
    page.keyboard.press("ArrowLeft")
    wait_for(page, "video.currentTime < 0.5")
    page.keyboard.press("m")
    assert page.evaluate("video.muted")
    page.keyboard.press("f")
    wait_for(page, "document.fullscreenElement === player")


@marked
def test_a_title_is_text_not_markup(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Test <bars> & a tone")
    assert page.locator("h1 bars").count() == 0


@marked
def test_the_mp4_plays_when_hls_does_not(browser: Browser, api_url: str, published: PublicationManifest) -> None:
    page = browser.new_page()
    page.route("**/*.m3u8", lambda route: route.abort())
    page.goto(f"{api_url}/watch/{published.asset_id}")
    wait_for(page, "player.dataset.source === 'MP4'")

    play(page)

    assert page.evaluate("video.currentSrc").endswith("/video.mp4")
    page.close()


@marked
def test_a_video_that_is_not_there_is_said_so(browser: Browser, api_url: str) -> None:
    page = browser.new_page()
    page.goto(f"{api_url}/watch/{'0' * 24}")

    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such video.")
    page.close()


@marked
def test_a_proxy_whose_server_is_away_is_said_so(
    browser: Browser, api_url: str, published: PublicationManifest
) -> None:
    page = browser.new_page()
    page.route("**/media/*", lambda route: route.fulfill(status=502, content_type="text/html", body="<h1>Bad</h1>"))
    page.goto(f"{api_url}/watch/{published.asset_id}")

    expect(page.get_by_role("heading", level=1)).to_have_text("The server does not answer.")
    page.close()


def test_the_page_may_load_its_own_files_only(api: httpx.Client) -> None:
    answer = api.get(f"/watch/{'0' * 24}")

    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe-inline" not in policy
    assert "http://" not in answer.text
    assert "https://" not in answer.text


def test_only_the_page_s_files_are_public(api: httpx.Client) -> None:
    assert api.get("/console/watch.js").status_code == 200
    assert api.get("/console/watch.css").headers["Content-Type"].startswith("text/css")
    for hidden in ("__init__.py", "watch.html", "", "../app.py", "..%2fapp.py"):
        assert api.get(f"/console/{hidden}").status_code == 404
