"""The first page of a gallery without pictures."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import claim
from tests.browser.galleries import Beginnings, a_gallery

pytestmark = pytest.mark.browser


def test_it_works(chromium: str, beginnings: Beginnings, browser: Browser):
    """Its buttons share a class with the boxes of a selection, which are not seen until one points at them."""
    with a_gallery(beginnings.empty(), LOOKALIKE_WEB_PROCESSES="1") as site:
        context = browser.new_context(storage_state=claim(site, browser), base_url=site.url)
        page = context.new_page()
        page.goto("/")
        buttons = page.locator(".drop-zone .button.pick")
        expect(buttons).to_have_count(2)
        seen = {buttons.nth(place).evaluate("one => getComputedStyle(one).opacity") for place in range(2)}
        context.close()
    assert seen == {"1"}
