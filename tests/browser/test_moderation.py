"""Moderation in a real browser: by keys alone, a range, many at once, and all of it back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.galleries import Site
from tests.browser.test_pages import fits

pytestmark = pytest.mark.browser
MAKE = """
from tests.ingestion.waiting import a_source, wait
for seed in range(8):
    wait(seed, source=a_source("keys"))
"""


@pytest.fixture
def queue(page: Page, site: Site) -> Page:
    site.run(MAKE)
    page.goto("/admin/moderation/?source=keys")
    return page


def card(page: Page, seed: int):
    return page.locator(".candidate").filter(has=page.get_by_role("heading", name=f"Lake {seed}"))


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_it_works(queue):
    page, said = queue, queue.locator("#moderation-said")
    waiting = page.locator(".standing strong")
    assert fits(page)

    press(page, "j", "j", "k")
    expect(card(page, 0)).to_be_focused()
    press(page, "a")
    expect(said).to_have_text("Accepted 1 picture.")
    expect(card(page, 1)).to_be_focused()  # the next one, without a look at the mouse
    press(page, "s")
    expect(said).to_have_text("Put off 1 picture.")
    expect(card(page, 2)).to_be_focused()
    press(page, "r", "2")
    expect(said).to_have_text("Rejected 1 picture: Watermark or logo.")
    expect(waiting).to_have_text("6")
    press(page, "u")
    expect(said).to_contain_text("Undone: rejected 1 picture.")
    expect(card(page, 2)).to_be_focused()
    press(page, "u")
    expect(said).to_contain_text("Undone: put off 1 picture.")
    press(page, "u")
    expect(said).to_contain_text("Undone: accepted 1 picture.")
    expect(page.locator(".candidate")).to_have_count(8)
    expect(card(page, 0)).to_be_focused()

    press(page, "Shift+ArrowDown", "Shift+ArrowDown", "Shift+ArrowDown", "Shift+ArrowUp")
    expect(page.locator("[data-picked]")).to_have_text("3 pictures selected")
    press(page, "r", "Enter")
    expect(said).to_contain_text("Reject 3 pictures?")
    assert fits(page)
    expect(page.get_by_role("button", name="Reject 3 pictures")).to_be_focused()
    press(page, "Enter")
    expect(said).to_contain_text("Rejected 3 pictures: Does not fit.")
    expect(waiting).to_have_text("5")
    press(page, "u")
    expect(said).to_contain_text("Undone: rejected 3 pictures.")
    expect(page.locator(".candidate")).to_have_count(8)

    page.locator(".pick").nth(1).click()
    page.locator(".pick").nth(4).click(modifiers=["Shift"])
    expect(page.locator("[data-picked]")).to_have_text("4 pictures selected")
    press(page, "Escape")
    expect(page.locator(".pick input:checked")).to_have_count(0)
    page.get_by_label("Select all on this page").check()
    page.get_by_role("button", name="Accept…").click()
    expect(said).to_contain_text("Accept 8 pictures?")
    page.get_by_role("link", name="Cancel").click()
    expect(said).to_be_hidden()

    card(page, 3).get_by_role("link").first.click()
    expect(page).to_have_url(re.compile("/admin/moderation/[^/]+/"))
    expect(page.locator(".large img")).to_have_js_property("complete", True)
    assert fits(page)
    press(page, "a")
    expect(page.locator(".messages")).to_contain_text("Accepted 1 picture.")
