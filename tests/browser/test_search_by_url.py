"""Searching with the picture at an address: typed, pasted, and dropped from another page."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.pictures import encode, photo

pytestmark = pytest.mark.browser

DROPPED = """(data) => {
  const transfer = new DataTransfer();
  for (const [type, text] of Object.entries(data)) transfer.setData(type, text);
  for (const name of ["dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(name, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""
PASTED = """(text) => {
  const clipboardData = new DataTransfer();
  clipboardData.setData("text/plain", text);
  document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}"""
ANSWER = re.compile(r"/search/q/[\w-]+/$")


@pytest.fixture
def address(web_site) -> str:
    return web_site.put("/looked-for.jpg", encode(photo(3, 480, 360)), "image/jpeg")


def test_it_works(page: Page, address: str):
    page.goto("/search/")
    page.get_by_label("Or its address").fill(address)
    page.get_by_label("Or its address").press("Enter")
    page.wait_for_url(ANSWER)


def test_a_slow_one_says_so_and_then_leads_on(page: Page, web_site):
    from tests.sites.site import Reply

    slow = web_site.answer("/slow.jpg", lambda asked: Reply(encode(photo(4, 480, 360)), "image/jpeg", wait=2.5))
    page.goto(f"/search/url/?url={slow}")
    page.get_by_role("button", name="Fetch it and search").click(no_wait_after=True)
    expect(page.get_by_text("is being fetched from 127.0.0.1")).to_be_visible()
    page.wait_for_url(ANSWER)


def test_pasted_and_dropped(page: Page, address: str):
    page.goto("/")
    page.evaluate(PASTED, address)
    page.wait_for_url(ANSWER)
    page.goto("/")
    page.evaluate(
        DROPPED,
        {"text/uri-list": "https://other.example/page", "text/html": f'<a href="/page"><img src="{address}"></a>'},
    )
    page.wait_for_url(ANSWER)


def test_what_is_wrong_is_said_and_nothing_is_lost(page: Page, web_site):
    nothing = f"{web_site.url}/nothing.jpg"
    page.goto("/search/url/")
    page.get_by_label("Address of a picture").fill(nothing)
    page.get_by_label("Address of a picture").press("Enter")
    expect(page.get_by_role("alert").first).to_contain_text("has nothing there (404)")
    expect(page.get_by_label("Address of a picture")).to_have_value(nothing)
    page.evaluate(PASTED, nothing)
    expect(page.locator("#says-alert")).to_contain_text("has nothing there (404)")
    page.errors.clear()
