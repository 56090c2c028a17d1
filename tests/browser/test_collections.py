"""From ticked pictures to a collection and back, in a real browser."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.test_pages import fits
from tests.browser.test_select import bar, corner, pytestmark  # noqa: F401


def test_it_works(page, bar):  # noqa: F811
    name = f"Boats {page.viewport_size['width']}"
    for at in (0, 2, 3):
        corner(page, at).click()
    bar.get_by_role("button", name="Collect…").click()
    expect(bar.get_by_label("The 3 selected")).to_be_checked()
    bar.get_by_label("Into").select_option("")
    bar.get_by_label("Name of the new one").fill(name)
    bar.get_by_role("button", name="Add", exact=True).click()
    expect(bar.get_by_text("3 pictures added.")).to_be_visible()
    assert fits(page)
    bar.get_by_role("link", name=name).click()
    expect(page.get_by_text("3 pictures · yours alone")).to_be_visible()
    assert fits(page)
    page.locator(".pick").first.click()
    page.get_by_role("button", name="Take out").click()
    expect(page.get_by_text("1 picture taken out.")).to_be_visible()
    expect(page.locator(".rows a.tile")).to_have_count(2)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone: 1 picture put back.")).to_be_visible()
    page.reload()
    expect(page.locator(".rows a.tile")).to_have_count(3)
