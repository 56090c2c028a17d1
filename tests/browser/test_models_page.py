"""Models in a real browser: a fresh gallery, weights that come while one looks, and a network at work."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import claim
from tests.browser.galleries import Beginnings, Site, a_gallery
from tests.browser.test_pages import fits
from tests.pictures import encode, photo
from tests.search.hub import Hub, start

pytestmark = pytest.mark.browser

MODELS = "/admin/models/"
PATH = "/timm/vit_base_patch16_clip_224.openai/resolve/main/open_clip_model.safetensors"


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    """It has something under the name of CLIP's weights, and takes its time."""
    hub = Hub(files={PATH: bytes(40_000_000)}, block=100_000, pause=0.2)
    server = start(hub)
    yield hub
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def fresh(chromium: str, beginnings: Beginnings, hub: Hub) -> Iterator[Site]:
    """A gallery of 24 pictures that knows no hub but ours."""
    with a_gallery(beginnings.empty(), HF_ENDPOINT=hub.url, NO_PROXY="127.0.0.1") as site:
        site.bring("inbox", {f"{seed}.jpg": encode(photo(seed, 400, 300)) for seed in range(24)})
        yield site


@pytest.fixture(scope="module")
def cookies(fresh: Site, browser: Browser) -> dict:
    return claim(fresh, browser)


@pytest.fixture
def page(fresh: Site, browser: Browser, cookies: dict, viewport: dict) -> Iterator[Page]:
    context = browser.new_context(viewport=viewport, storage_state=cookies, base_url=fresh.url)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert errors == []


def test_it_works(page: Page):
    """Weights are fetched while one looks, cancelled, and fetched further; what they turn out to be is said."""
    page.goto(MODELS)
    clip = page.locator("#clip")
    expect(clip).to_contain_text("a dog on the beach at sunset")
    assert fits(page)
    clip.get_by_role("button", name="Fetch").or_(clip.get_by_role("button", name="Go on")).click()
    expect(page.locator(".messages")).to_contain_text("is being fetched")
    expect(clip).to_contain_text("of 40 MB", timeout=15_000)
    assert fits(page)
    clip.get_by_role("button", name="Cancel").click()
    expect(clip).to_contain_text("partly fetched")
    expect(page.locator(".messages")).to_contain_text("What has come is kept")


def test_it_ends_by_itself_and_says_what_came(page: Page, hub: Hub):
    page.goto(MODELS)
    clip = page.locator("#clip")
    hub.pause = 0.0
    clip.get_by_role("button", name="Go on").or_(clip.get_by_role("button", name="Fetch")).click()
    expect(clip).to_contain_text("damaged", timeout=20_000)  # without a reload: the file is none of CLIP's
    hub.pause = 0.2
    assert fits(page)


def test_another_network_is_planned_before_anything_happens(page: Page):
    page.goto(MODELS)
    role = page.locator("#clip")
    role.get_by_text("Let another network do this").click()
    role.get_by_label("Network").fill("clip:ViT-B-32/openai")
    role.get_by_role("button", name="Switch to").click()
    expect(page.locator("h1")).to_contain_text("CLIP ViT-B-32/openai")
    expect(page.locator("main")).to_contain_text("Its weights are missing")
    assert fits(page)


def test_without_javascript_it_is_reloaded(browser: Browser, fresh: Site, cookies: dict, viewport: dict):
    context = browser.new_context(
        viewport=viewport, storage_state=cookies, base_url=fresh.url, java_script_enabled=False
    )
    page = context.new_page()
    page.goto(MODELS)
    expect(page.locator("#clip")).to_contain_text("By hand")
    page.locator("#clip .by-hand summary").first.click()
    expect(page.locator("#clip")).to_contain_text("manage.py weights fetch clip:ViT-B-16/openai")
    context.close()


def test_a_network_at_work_is_watched_and_rolled_back(page: Page):
    """VLAD needs no weights: it learns of the collection."""
    words = 20 if page.viewport_size and page.viewport_size["width"] < 500 else 40
    for model in (words, words + 1):
        page.goto(MODELS)
        role = page.locator("#global_features")
        role.get_by_text("Let another network do this").click()
        role.get_by_label("Network").fill(f"vlad:{model}")
        role.get_by_role("button", name="Switch to").click()
        page.locator("main").get_by_role("button", name="Make it beside").or_(
            page.locator("main").get_by_role("button", name="Begin")
        ).click()
        answers = page.locator("#global_features .made", has=page.locator(".mark.good"))
        expect(answers).to_contain_text(f"vlad:{model}", timeout=60_000)  # without a reload
    assert fits(page)
    page.locator("#global_features").get_by_role("button", name="Roll back").click()
    expect(answers).to_contain_text(f"vlad:{words}")
