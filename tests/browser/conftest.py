"""A real browser, and a gallery for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.galleries import Beginnings, Site, a_gallery
from tests.sites.site import Site as WebSite
from tests.sites.site import a_site

HERE = Path(__file__).parent
WIDTHS = {"narrow": (390, 844), "wide": (1440, 900)}
PASSWORD = "correct horse 42"
LONGEST = ["test_pages", "test_text_search", "test_import_held", "test_models_page", "test_mining"]
"""Files that are begun first, so that no process works at one of them alone in the end."""
SLOWED = int(os.environ.get("BROWSER_SLOWED", "1"))
"""BROWSER_SLOWED=5 makes the browser five times slower: a test that is quicker than its page fails then."""
expect.set_options(timeout=20_000)  # a first search compiles; how long a thing takes is the business of the benchmark


@pytest.hookimpl(trylast=True)  # after that of tests/conftest.py, which means other files
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if all(item.path.is_relative_to(HERE) for item in items):
        places = {name: place for place, name in enumerate(LONGEST)}
        items.sort(key=lambda item: places.get(item.path.stem, len(LONGEST)))


@pytest.fixture(scope="session")
def web_site() -> Iterator[WebSite]:
    """Another site on loopback, which the gallery may fetch from."""
    with a_site() as site:
        yield site


@pytest.fixture(scope="session")
def beginnings() -> Iterator[Beginnings]:
    beginnings = Beginnings(os.environ.get("PYTEST_XDIST_TESTRUNUID") or str(os.getpid()))
    yield beginnings
    beginnings.close()


@pytest.fixture(scope="session")
def site(chromium: str, beginnings: Beginnings, web_site: WebSite) -> Iterator[Site]:
    """A gallery with COUNT pictures that can all be found."""
    settings = {"LOOKALIKE_PAGE_SIZE": "30", "LOOKALIKE_FETCH_HOSTS": web_site.host}
    with a_gallery(beginnings.filled(), **settings) as site:
        yield site


@pytest.fixture(scope="session")
def filled(site: Site, signed_in: dict) -> Site:
    """It has its first account."""
    return site


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def signed_in(site: Site, browser: Browser) -> dict:
    return claim(site, browser)


def claim(site: Site, browser: Browser) -> dict:
    """The cookies of the first account, made through the one-time link."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(site.welcome)
    page.fill("[name=username]", "ada")
    page.fill("[name=password1]", PASSWORD)
    page.fill("[name=password2]", PASSWORD)
    page.press("[name=password2]", "Enter")
    page.wait_for_url("**/import/")
    state = context.storage_state()
    context.close()
    return state


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every page is looked at in both widths (test_pages.py); what is done on them, in one of the two each."""
    if "viewport" in metafunc.fixturenames:
        both = metafunc.module.__name__.endswith("test_pages")
        one = list(WIDTHS)[crc32(metafunc.function.__qualname__.encode()) % 2]
        metafunc.parametrize("viewport", list(WIDTHS) if both else [one], indirect=True)


@pytest.fixture
def viewport(request: pytest.FixtureRequest) -> dict[str, int]:
    width, height = WIDTHS[request.param]
    return {"width": width, "height": height}


@pytest.fixture(scope="session")
def contexts(site: Site, browser: Browser, signed_in: dict) -> Iterator[dict[int, BrowserContext]]:
    """One for each width: a new one begins with a new process and without a cache, which doubles the work of a test."""
    made = {}
    for width, height in WIDTHS.values():
        size = {"width": width, "height": height}
        made[width] = browser.new_context(viewport=size, storage_state=signed_in, base_url=site.url)
        made[width].grant_permissions(["clipboard-read", "clipboard-write"], origin=site.url)
    yield made
    for context in made.values():
        context.close()


@pytest.fixture
def context(contexts: dict[int, BrowserContext], viewport: dict, signed_in: dict) -> Iterator[BrowserContext]:
    """Without what another test has left in it."""
    context = contexts[viewport["width"]]
    yield context
    for page in context.pages:
        page.close()
    context.set_storage_state(signed_in)


def slow_down(page: Page) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})
    session.send("Network.enable")
    line = {"offline": False, "latency": 60 * (SLOWED - 1), "downloadThroughput": -1, "uploadThroughput": -1}
    session.send("Network.emulateNetworkConditions", line)


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that must stay free of errors: nothing thrown, nothing refused by the content policy."""
    page = context.new_page()
    page.set_default_timeout(20_000)
    errors: list[str] = []
    if SLOWED > 1:
        slow_down(page)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.errors = errors  # a test that provokes an answer of 4xx clears it
    yield page
    assert errors == []
