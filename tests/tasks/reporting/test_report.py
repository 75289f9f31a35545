import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from data.domain.batches import ItemState
from data.domain.nights import NightFacts, ReportLinks
from tasks.reporting.report import report_html
from tests.fakes.nights import HOSTILE, facts_of, failed_item, newsroom_facts, sample_batch, sample_item

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]


class Page(HTMLParser):
    """What a browser finds in a page: its elements, their attributes and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))


def hostile_facts() -> NightFacts:
    """A night in which every text that comes from outside is an attack."""
    source = f"https://attacker.example/{HOSTILE}"
    items = [
        failed_item(1, message=HOSTILE, custom_id=HOSTILE, source=source, step=HOSTILE, code=f"DATA.{HOSTILE}"),
        sample_item(2, custom_id=HOSTILE, source=source, title=HOSTILE),
        sample_item(3, "skipped", reason=HOSTILE),
        sample_item(4, "cancelled", reason=HOSTILE),
        sample_item(5, "rejected", message=HOSTILE, custom_id=HOSTILE, source=source),
    ]
    batch = sample_batch(name=HOSTILE, message=HOSTILE, manifest_uri=source, retry_of=HOSTILE)
    return facts_of(items, batch)


def nights() -> dict[str, NightFacts]:
    return {
        "full": newsroom_facts(1000),
        "empty": facts_of([]),
        "one": facts_of([sample_item(1)]),
        "hostile": hostile_facts(),
        "unbalanced": facts_of([sample_item(1)], rows=3),
        "running": facts_of([sample_item(1, "running")], sample_batch(state="running", ended_at=None)),
        "refused": facts_of([], sample_batch(state="rejected", started_at=None, reason="invalid_manifest"), rows=0),
    }


@pytest.mark.parametrize("name", nights())
def test_the_page_asks_nobody_for_anything(name: str) -> None:
    page = Page(report_html(nights()[name]))

    forbidden = {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "audio",
        "video",
        "source",
        "use",
        "image",
        "base",
    }
    assert not forbidden & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        assert not {name for name in attributes if name.startswith("on") or name in ("src", "srcset", "xlink:href")}
        assert tag == "a" or "href" not in attributes
    style = "".join(page.texts)
    assert "url(" not in style
    assert "@import" not in style


def test_hostile_text_is_shown_as_it_is_and_does_nothing() -> None:
    html = report_html(hostile_facts())

    assert "<script" not in html
    assert "49" not in Page(html).text.replace("2f6e-5a1d-4a7c", "")
    assert Page(html).text.count(HOSTILE) >= 10


def test_the_headline_the_equation_and_the_failures_are_told() -> None:
    text = Page(report_html(newsroom_facts(1000))).text.replace("\u00a0", " ")

    assert "1,000 rows: 967 published, 12 failed, 13 unchanged, 3 duplicates and 5 rejected." in text
    assert "Finished at 04:12, 1 h 48 min before the window closes at 06:00." in text
    assert "✔ Every row is accounted for." in text
    for part in (
        "12 failures",
        "DATA.INPUT.CORRUPT",
        "5 rejected rows",
        "Items a minute",
        "1 pause",
        "Slowest items",
        "Canary",
    ):
        assert part in text
    assert "clip-0083.mp4: no picture of it can be decoded" in text


def test_an_equation_that_does_not_balance_is_loud() -> None:
    html = report_html(facts_of([sample_item(1)], rows=3))

    assert "✘ This does not balance." in Page(html).text
    assert "2 rows of the manifest are unaccounted for." in Page(html).text
    assert "Every row is accounted for." not in html
    assert ("div", {"class": "unbalanced", "role": "alert"}) in Page(html).elements


@pytest.mark.parametrize(
    ("state", "count", "words"),
    [
        (ItemState.FAILED, 1, ["1 failure 1 kind of failure.", "this row"]),
        (ItemState.FAILED, 2, ["2 failures 1 kind of failure.", "these rows"]),
        (ItemState.REJECTED, 1, ["1 rejected row "]),
        (ItemState.REJECTED, 2, ["2 rejected rows "]),
    ],
)
def test_headings_read_right_for_one_and_many(state: ItemState, count: int, words: list[str]) -> None:
    items = [failed_item(row).model_copy(update={"state": state}) for row in range(1, count + 1)]
    text = Page(report_html(facts_of(items))).text

    assert all(each in text for each in words)


def test_links_are_those_that_were_given_and_only_for_outputs_that_exist() -> None:
    files = {"results_csv": "results.csv", "retry": "retry.csv"}
    links = ReportLinks(watch_base="https://video.example/watch/", files=files)
    batch = sample_batch(outputs={"results_csv": "batches/b/results.csv"})
    items = [sample_item(row, asset_id="a/b?c", version=1) for row in (1, 2)]
    hrefs = [
        each["href"] for tag, each in Page(report_html(facts_of(items, batch, links=links))).elements if tag == "a"
    ]

    assert hrefs == ["results.csv", *["https://video.example/watch/a%2Fb%3Fc"] * 2]


def test_a_night_of_many_kinds_of_failure_stays_readable() -> None:
    items = [failed_item(row, f"INFRA.KIND{row % 40}") for row in range(1, 401)]
    html = report_html(facts_of(items))

    assert "40 kinds of failure, the 12 most frequent first." in Page(html).text
    assert html.count('class="card failure"') == 12
    assert "and 7 more" in Page(html).text


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield launched
        launched.close()


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("name", ["full", "hostile", "empty"])
def test_it_opens_from_a_disk_on_any_screen_without_a_request(
    browser: Browser, tmp_path: Path, name: str, width: int
) -> None:
    path = tmp_path / "report.html"
    path.write_text(report_html(nights()[name]), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 800})
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.goto(path.as_uri())

    assert asked == [path.as_uri()]
    assert said == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.close()
