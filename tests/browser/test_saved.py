"""Saving a search, finding it again, following it."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.galleries import Site


@pytest.fixture(autouse=True)
def nothing_saved(page: Page, filled) -> None:
    page.goto("/search/saved/")
    while page.locator(".saved-list .panel").count():
        page.locator(".saved-list .panel .danger").first.click()


def test_it_works(page: Page):
    page.goto("/search/?q=width%3E100")
    page.click("text=Save this search")
    page.fill("#save-name", "Wide pictures")
    page.click("button:text-is('Save')")
    expect(page.locator(".messages")).to_contain_text("Saved as “Wide pictures”")
    page.wait_for_url("**/search/?q=width%3E100")
    page.goto("/search/saved/")
    panel = page.locator(".saved-list .panel")
    expect(panel).to_have_count(1)
    panel.get_by_text("Feeds", exact=True).click()
    panel.locator("[data-copy]").nth(1).click()
    address = page.evaluate("navigator.clipboard.readText()")
    feed = json.loads(page.request.get(address).text())
    assert feed["title"].startswith("Wide pictures")
    assert len(feed["items"]) == 60
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    panel.get_by_role("link", name="Wide pictures").click()
    page.wait_for_url("**/search/?q=width%3E100")


def test_it_is_deleted_and_taken_back_without_scripts(browser: Browser, site: Site, signed_in: dict):
    plain = browser.new_context(java_script_enabled=False, storage_state=signed_in, base_url=site.url)
    try:
        bare = plain.new_page()
        bare.goto("/search/?q=width%3E100")
        bare.click("text=Save this search")
        bare.click("button:text-is('Save')")
        bare.goto("/search/saved/")
        bare.click(".saved-list .danger")
        expect(bare.locator(".saved-list")).to_have_count(0)
        bare.click("button:text-is('Undo')")
        expect(bare.locator(".saved-list h3")).to_have_text("width>100")
    finally:
        plain.close()
