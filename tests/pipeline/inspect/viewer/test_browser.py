"""The viewer and the report in a real browser: headless Chromium, driven as a reader would.

A hostile document would change the page's title, open a dialog or ask another server; each is watched for.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from m3w.pipeline.inspect import statistics, write_report
from tests.pipeline.inspect.viewer.conftest import ATTACK, LONG_WORD, Served

pytestmark = pytest.mark.browser
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE = {"width": 390, "height": 844}
Page = Any


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    paths = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    program = next((path for path in paths if path), None)
    if program is None:
        pytest.skip("no Chromium here; apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not here; pip install -e '.[dev]'")
    environment = {**os.environ, "HOME": os.environ.get("HOME", "/tmp")}
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=FLAGS, env=environment)
        yield browser
        browser.close()


class Watched:
    """A page, with everything that must not happen on it."""

    def __init__(self, browser: Any, **options: Any):
        self.page: Page = browser.new_context(**options).new_page()
        self.problems: list[str] = []
        self.asked: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("console", lambda message: self.problems.append(message.text) if message.type == "error" else None)
        self.page.on("dialog", lambda dialog: (self.problems.append("dialog"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def open(self, url: str) -> Page:
        self.page.goto(url)
        return self.page

    def overflow(self) -> int:
        width: int = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return width


@pytest.fixture
def watched(chromium: Any) -> Iterator[Watched]:
    """Nothing on the page may fail, and no other server may be asked."""
    made = Watched(chromium, viewport={"width": 1280, "height": 860})
    yield made
    assert made.problems == []
    own = re.findall(r"^http://127\.0\.0\.1:\d+/|^file:.*", made.page.url)[0]
    assert [url for url in made.asked if not url.startswith((own, "data:", "blob:"))] == []
    made.page.context.close()


@pytest.fixture
def viewer(watched: Watched, served: Served) -> Page:
    page = watched.open(served.url)
    page.wait_for_selector("#reader article h1")
    return page


def until(page: Page, condition: str, seconds: float = 20.0) -> None:
    """Wait for a condition; Playwright's own waiting evaluates strings in the page, which the policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"it did not come to {condition}"
        page.wait_for_timeout(50)


def titles(page: Page) -> list[str]:
    return [each.strip() for each in page.locator("#list b").all_inner_texts()]


def test_lists_documents_and_shows_one_with_its_pictures(viewer: Page) -> None:
    assert titles(viewer)[:3] == ["Robin", "Wren", "Amsel"]
    assert viewer.locator("#reader h1").inner_text() == "Robin"
    pictures = viewer.locator("#reader figure img")
    pictures.first.wait_for()
    until(viewer, "[...document.querySelectorAll('#reader img')].every((each) => each.naturalWidth > 0)")
    assert pictures.count() == 2
    nodes = viewer.locator("#reader .nodes > p, #reader .nodes > figure")
    assert [each.evaluate("each => each.tagName") for each in nodes.all()] == ["P", "FIGURE", "P", "FIGURE"]


def test_filters_narrow_the_list(viewer: Page) -> None:
    viewer.fill("[name=host]", "a.example")
    until(viewer, "document.querySelectorAll('#list li').length === 2")
    assert titles(viewer) == ["Robin", "Wren"]
    viewer.fill("[name=images_min]", "2")
    until(viewer, "document.querySelectorAll('#list li').length === 1")
    assert titles(viewer) == ["Robin"]
    viewer.fill("[name=images_min]", "")
    viewer.fill("[name=host]", "")
    viewer.get_by_label("Add a signal").select_option("words")
    viewer.get_by_label("words, at least").fill("6")
    viewer.get_by_label("Split").select_option("train")
    until(viewer, "document.querySelectorAll('#list li').length === 3")


def test_searches_texts_and_reports_an_empty_result(viewer: Page) -> None:
    viewer.fill("#search", "amsel singt")
    until(viewer, "document.querySelectorAll('#list li').length === 1")
    assert titles(viewer) == ["Amsel"]
    viewer.fill("#search", "there is nothing like it")
    viewer.wait_for_selector("text=No document matches.")


def test_turns_pages_and_follows_the_keys(viewer: Page) -> None:
    viewer.keyboard.press("j")
    until(viewer, "document.querySelector('#reader h1').textContent === 'Wren'")
    viewer.keyboard.press("k")
    until(viewer, "document.querySelector('#reader h1').textContent === 'Robin'")
    viewer.click("text=Next")
    viewer.wait_for_selector("text=51–64 of 64 documents")
    viewer.keyboard.press("?")
    assert viewer.locator("dialog[open] kbd").count() >= 6


def test_marks_by_key_are_kept_and_listed(viewer: Page, served: Served) -> None:
    viewer.keyboard.press("g")
    viewer.wait_for_selector("#list .badge.good")
    viewer.keyboard.press("j")
    until(viewer, "document.querySelector('#reader h1').textContent === 'Wren'")
    viewer.keyboard.press("b")
    viewer.wait_for_selector("#list .badge.bad")
    assert served.viewer.marks.counts() == {"good": 1, "bad": 1}
    viewer.get_by_role("tab", name="Marks").click()
    viewer.wait_for_selector("text=1 document good, 1 bad")
    with viewer.expect_download() as download:
        viewer.click("text=JSON lines")
    assert len(Path(download.value.path()).read_text().splitlines()) == 2


def test_windows_show_what_each_token_attends_to(viewer: Page) -> None:
    viewer.get_by_role("button", name="Sequences").click()
    viewer.wait_for_selector(".token.masked")
    tokens = {each.inner_text().strip(): each.get_attribute("class") for each in viewer.locator(".token").all()}
    assert "phi-0" in tokens["robin"] and "phi-1" in tokens["hedge"]
    assert viewer.locator(".token.masked").all_inner_texts() == ["<image>", "<image>"]
    viewer.get_by_label("Text attends to").select_option("1")
    until(
        viewer,
        "[...document.querySelectorAll('.token')].find((each) => each.textContent.includes('robin')).matches('.phi-1')",
    )


def test_drops_are_shown_by_reason(viewer: Page) -> None:
    viewer.get_by_role("tab", name="Drops").click()
    viewer.locator("#reasons button", has_text="words").click()
    assert viewer.locator(".threshold").inner_text() == "words = 2, allowed at least 3"
    assert ATTACK in viewer.locator(".drop .text").inner_text()


def test_a_moved_threshold_shows_what_it_drops(viewer: Page) -> None:
    viewer.get_by_role("tab", name="Thresholds").click()
    viewer.wait_for_selector("#newly-taken")
    assert viewer.locator("#bound-min").input_value() == "3"
    assert viewer.locator("#newly-taken").inner_text().startswith("0")
    viewer.fill("#bound-min", "5")
    until(viewer, "document.querySelector('#newly-taken').textContent.startsWith('1')")
    assert "Amsel" in viewer.locator(".lists").inner_text()
    viewer.fill("#bound-min", "")
    until(viewer, "document.querySelector('#back').textContent.startsWith('1')")
    viewer.locator("#slide-min").evaluate("each => { each.value = each.max; each.dispatchEvent(new Event('input')); }")
    until(viewer, "document.querySelector('#newly-taken').textContent.startsWith('1')")
    assert float(viewer.locator("#bound-min").input_value()) == 5


def test_a_hostile_document_runs_no_script_and_sends_no_request(viewer: Page, watched: Watched) -> None:
    before = viewer.title()
    viewer.locator("#list button").nth(3).click()
    until(viewer, "document.querySelector('#reader h1').textContent.startsWith('<script>')")
    assert ATTACK in viewer.locator("#reader article").inner_text()
    for name in ("Sequences", "Signals", "Read"):
        viewer.get_by_role("button", name=name, exact=True).click()
        viewer.wait_for_timeout(300)
    assert viewer.locator("#reader script, #reader svg, #reader [onerror], #reader a").count() == 0
    assert viewer.title() == before
    assert watched.overflow() <= 0 and LONG_WORD in viewer.locator("#reader article").inner_text()


def test_right_to_left_text_does_not_reverse_its_surroundings(viewer: Page) -> None:
    viewer.locator("#list button").nth(3).click()
    until(viewer, "document.querySelector('#reader h1').textContent.startsWith('<script>')")
    isolated = viewer.locator("#reader article p[dir=auto]").evaluate_all(
        "all => all.map((each) => getComputedStyle(each).unicodeBidi)"
    )
    assert set(isolated) == {"isolate"}


def test_fits_a_phone(chromium: Any, served: Served) -> None:
    watched = Watched(chromium, viewport=PHONE, color_scheme="dark", has_touch=True)
    page = watched.open(served.url)
    page.wait_for_selector("#list li")
    assert watched.overflow() <= 0
    for index in (0, 3):
        page.locator("#list button").nth(index).click()
        page.wait_for_selector("#reader article h1")
        assert watched.overflow() <= 0
        page.get_by_role("button", name="← List").click()
    for name in ("Drops", "Thresholds", "Marks"):
        page.get_by_role("tab", name=name).click()
        page.wait_for_timeout(300)
        assert watched.overflow() <= 0
    assert watched.problems == []
    page.context.close()


def test_light_and_dark_are_the_readers_choice(viewer: Page) -> None:
    def background() -> str:
        return str(viewer.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = background()
    viewer.click("#theme")
    assert background() != light
    viewer.reload()
    viewer.wait_for_selector("#reader article h1")
    assert background() != light


def test_the_report_runs_nothing_of_a_hostile_document(watched: Watched, hostile_run: Path, tmp_path: Path) -> None:
    """Each attack would change the page's title."""
    write_report(statistics(str(hostile_run)), tmp_path / "report.html")
    page = watched.open((tmp_path / "report.html").as_uri())
    assert page.title() == "hostile: m3w report"
    assert page.locator("script").count() == 1 and watched.overflow() <= 0


def test_the_report_sorts_its_tables_and_shows_values_under_the_pointer(
    watched: Watched, viewed_run: Path, tmp_path: Path
) -> None:
    write_report(statistics(str(viewed_run)), tmp_path / "report.html")
    page = watched.open((tmp_path / "report.html").as_uri())
    table = page.locator(".signals table")
    table.locator("th button", has_text="highest").click()
    highest = table.locator("td:nth-child(6)").evaluate_all("all => all.map((each) => Number(each.dataset.value))")
    assert highest == sorted(highest, reverse=True) and highest[0] > highest[-1]
    table.locator("th button", has_text="signal").click()
    names = table.locator("td:first-child").all_inner_texts()
    assert names == sorted(names)
    page.locator("g[data-tip]").first.hover()
    assert re.search(r"\d+ \(\d+\.\d %\)", page.locator("#tip").inner_text())
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
