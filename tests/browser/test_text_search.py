"""Words in a real browser: a gallery whose scenes a small CLIP has looked at."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import WIDTHS
from tests.browser.galleries import PATIENCE, Beginnings, Site, a_gallery
from tests.networks.made import made
from tests.networks.scenes import Scene, draw
from tests.networks.small_clip import MODEL
from tests.pictures import encode

SCENES = [Scene(c, s, 1, p) for c in ("red", "blue") for s in ("circle", "star") for p in ("right", "top")]


@pytest.fixture(scope="module")
def worded(chromium: str, beginnings: Beginnings) -> Iterator[Site]:
    settings = {"LOOKALIKE_WEIGHTS": str(made("small_clip")), "LOOKALIKE_CLIP": MODEL, "LOOKALIKE_WORKERS": "1"}
    with a_gallery(beginnings.empty(), **settings) as site:
        site.bring("inbox", {f"{scene}.png": encode(draw(scene, 9), "PNG") for scene in SCENES})
        wait_until_words_are_understood(site)
        yield site


def wait_until_words_are_understood(site: Site) -> None:
    """A worker begins with the network by itself."""
    end = time.monotonic() + PATIENCE
    while True:
        with suppress(AssertionError):  # no engine understands words yet
            if "star" in site.manage("search", "--text", '~"a red circle"', "--weak"):  # no words to look up
                return
        assert time.monotonic() < end, "no worker has looked at the pictures"
        time.sleep(0.5)


@pytest.fixture(params=[(width, script) for width in WIDTHS for script in (True, False)], ids=str)
def page(request: pytest.FixtureRequest, worded: Site, browser: Browser) -> Iterator[Page]:
    (width, height), script = WIDTHS[request.param[0]], request.param[1]
    context = browser.new_context(
        viewport={"width": width, "height": height}, base_url=worded.url, java_script_enabled=script
    )
    page = context.new_page()
    page.set_default_timeout(20_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.script = script
    yield page
    assert errors == []
    context.close()


def ask(page: Page, words: str) -> None:
    """From the header of the first page."""
    page.goto("/")
    page.get_by_label("Search the gallery").fill(words)
    page.get_by_label("Search the gallery").press("Enter")
    page.wait_for_url("**/search/?q=*")
    until_it_answers(page)


def until_it_answers(page: Page) -> None:
    """Each web process loads the network by its first question, and the page asks again by itself if it has scripts."""
    found, again = page.locator(".card, .found-nothing").first, page.get_by_role("link", name="Ask again")
    for _ in range(0 if page.script else 120):
        expect(found.or_(again).first).to_be_visible()
        if not again.count():
            break
        page.wait_for_timeout(1_000)
        again.click()
    expect(found).to_be_visible(timeout=120_000)


def no_wider_than_the_screen(page: Page) -> None:
    if page.script:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_it_works(page):
    ask(page, "a red circle")
    expect(page).to_have_url(re.compile(r"/search/\?q=a\+red\+circle$"))
    expect(page.locator(".card .name").first).to_have_text(re.compile("a red circle"))
    expect(page.locator("#q")).to_have_value("a red circle")
    no_wider_than_the_screen(page)
    shot(page, "text")


def test_filters_are_set_and_removed(page):
    ask(page, "a red circle")
    page.locator("summary", has_text="Filters").click()
    page.locator("#orientation").select_option("wide")
    shot(page, "filters")
    no_wider_than_the_screen(page)
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**orientation=wide**")
    until_it_answers(page)
    expect(page.locator(".found-nothing")).to_contain_text("No picture passes your filters")
    if page.script:
        expect(page).to_have_url(re.compile(r"/search/\?q=a\+red\+circle&orientation=wide$"))
    shot(page, "nothing")
    page.locator(".chip").first.click()
    page.wait_for_url(lambda address: "orientation" not in address)
    until_it_answers(page)
    expect(page.locator(".card").first).to_be_visible()


def test_a_picture_is_asked_for_otherwise(page):
    ask(page, "a red circle")
    page.goto(page.locator(".card .open").first.get_attribute("data-like"))
    page.get_by_label("This, but …").fill("a blue circle")
    shot(page, "like")
    page.get_by_role("button", name="Search", exact=True).last.click()
    expect(page.locator("#q")).to_have_value("a blue circle")
    expect(page).to_have_url(re.compile("q=a\\+blue\\+circle"))
    no_wider_than_the_screen(page)


def test_the_page_of_searching(page):
    page.goto("/search/")
    expect(page.get_by_role("heading", name="Search", exact=True)).to_be_visible()
    no_wider_than_the_screen(page)
    shot(page, "search")


def shot(page: Page, name: str) -> None:
    folder = os.environ.get("SCREENSHOTS")  # to look at
    if folder:
        for scheme in ("light", "dark") if page.script else ("light",):
            page.emulate_media(color_scheme=scheme)
            width = page.viewport_size["width"]
            page.screenshot(path=f"{folder}/{name}-{width}-{scheme}-{'js' if page.script else 'plain'}.png")
