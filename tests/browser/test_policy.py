"""Every page in a real browser: nothing on any of them is what the policy for contents forbids."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser

from tests.browser.galleries import Site
from tests.gallery.test_security import ADDRESSES

pytestmark = pytest.mark.browser

LISTEN = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.effectiveDirective}: ${event.blockedURI} at ${event.sourceFile}:${event.lineNumber}`);
});
"""
QUERIES = [
    "/?sort=largest",
    "/?sort=x",
    "/nowhere/",
    "/search/?q=tag:a",
    "/search/?q=sea",
    "/search/?q=(",
    "/search/colours/?c=ff0000",
    "/tags/?q=a",
]


def test_it_works(site: Site, filled: Site, signed_in: dict, browser: Browser):
    """As an admin, who may open all of them; strips and panels are loaded by htmx meanwhile."""
    context = browser.new_context(storage_state=signed_in, base_url=site.url)
    context.add_init_script(LISTEN)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if "Content Security Policy" in message.text else None)
    page.goto("/")
    (pk,) = re.findall(r"/image/(\d+)/", page.locator('.rows a[href^="/image/"]').first.get_attribute("href"))
    shown, found = 0, []
    for address in [*(re.sub(r"/1(?=/|$)", f"/{pk}", each) for each in ADDRESSES), *QUERIES]:
        answer = context.request.get(address, max_redirects=0)
        if answer.status not in (200, 400, 404) or "text/html" not in answer.headers.get("content-type", ""):
            continue
        page.goto(address)
        found += [f"{address} {each}" for each in page.evaluate("window.violations")]
        shown += 1
    context.close()
    assert shown > 40
    assert found == []
    assert said == []


def test_the_listener_hears(site: Site, signed_in: dict, browser: Browser):
    """Or the test above could not fail."""
    context = browser.new_context(base_url=site.url)
    context.add_init_script(LISTEN)
    page = context.new_page()
    page.goto("/login/")
    page.evaluate("document.body.append(Object.assign(document.createElement('style'), {textContent: 'a {}'}))")
    page.wait_for_function("window.violations.length > 0", polling=20)
    context.close()
