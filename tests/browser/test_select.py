"""Selecting pictures in a real browser: corner, range, all, end; tags for all of them; undo; without JavaScript too."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.galleries import Site
from tests.browser.test_pages import fits

pytestmark = pytest.mark.browser


def picked(page: Page) -> list[int]:
    boxes = page.locator("[data-select] .pick input")
    return boxes.evaluate_all("boxes => boxes.flatMap((box, at) => box.checked ? [at] : [])")


def tile(page: Page, at: int):
    return page.locator(".rows a.tile").nth(at)


def corner(page: Page, at: int):
    return page.locator(".pick").nth(at)


@pytest.fixture
def bar(page: Page, filled: Site):
    page.goto("/?sort=oldest")
    expect(page.locator(".rows a.tile").nth(29)).to_be_attached()
    return page.locator("#selection-bar")


def test_it_works(page, bar):
    """Corner, range, more pages, a preview, done, undone; a click on a tile opens it again when the selection ends."""
    expect(bar).to_be_hidden()
    corner(page, 1).click()
    expect(bar).to_contain_text("1 picture selected")
    tile(page, 4).click(modifiers=["Shift"])
    assert picked(page) == [1, 2, 3, 4]
    tile(page, 2).click()  # while selecting, a tile is a box
    assert picked(page) == [1, 3, 4]
    assert fits(page)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(tile(page, 59)).to_be_attached()
    expect(bar).to_contain_text("3 pictures selected")
    wide = f"boat {page.viewport_size['width']}"
    bar.get_by_label("Tags").fill(f"{wide.upper()}, gull")
    bar.get_by_role("button", name="Add tags").click()
    preview = f"All 3 pictures get “{wide}”, a new tag. All 3 pictures get “gull”"
    expect(bar.locator(".note")).to_contain_text(preview)
    expect(bar.locator(".note")).to_be_focused()
    bar.get_by_role("button", name="Add to 3 pictures").click()
    expect(bar.get_by_text(f"Added “{wide}”, “gull” to 3 pictures.")).to_be_visible()
    assert fits(page)
    bar.get_by_role("button", name="Undo").click()
    expect(bar.get_by_text("Taken back: 6 changes to 3 pictures.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(bar).to_be_hidden()
    assert picked(page) == []
    tile(page, 5).click()
    expect(page).to_have_url(re.compile("/image/"))


def test_all_that_are_loaded(page, bar):
    page.keyboard.press("Control+a")
    chosen = len(picked(page))  # while further ones may still come in below
    assert chosen >= 20
    expect(bar).to_contain_text(f"{chosen} pictures selected")
    bar.get_by_label("Tags").fill("sea")
    bar.get_by_label("Tags").press("Control+a")  # marks what is written
    bar.get_by_label("Tags").press("Delete")
    bar.get_by_role("button", name="Add tags").click()
    expect(bar.get_by_role("alert")).to_contain_text("Write a tag")
    page.errors.clear()  # the 400 in the console
    bar.get_by_role("button", name="End the selection").click()
    assert picked(page) == []
    corner(page, 0).click()
    page.goto("/search/")
    page.go_back()
    expect(tile(page, 0)).to_be_visible()
    assert picked(page) == []  # it ends with the page


def test_the_keyboard_alone(page, bar):
    tile(page, 0).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(bar).to_contain_text("1 picture selected")
    expect(page.locator(".pick:focus-within")).to_have_css("opacity", "1")


def test_to_the_trash_and_back(page, bar, filled):
    name = tile(page, 7).locator(".words").inner_text()
    corner(page, 7).click()
    bar.get_by_role("button", name="Trash").click()
    expect(bar.locator(".note")).to_contain_text("The picture goes to the trash for 30 days.")
    bar.get_by_role("button", name="Move 1 to the trash").click()
    expect(bar.get_by_text("Moved 1 picture to the trash.")).to_be_visible()
    expect(page.locator(".rows .words", has_text=name)).to_have_count(0)
    bar.get_by_role("button", name="Undo").click()
    expect(bar.get_by_text("Taken back: 1 change to 1 picture.")).to_be_visible()
    page.wait_for_function(
        "name => fetch('/?sort=oldest').then((a) => a.text()).then((t) => t.includes(name))", arg=name
    )


def test_history_is_read_and_reverted(page, bar):
    pk = tile(page, 9).get_attribute("href").split("/")[2]
    page.goto(f"/image/{pk}/")
    page.get_by_label("Add a tag").fill("lake, Red Boat")
    page.get_by_label("Add a tag").press("Enter")
    expect(page.get_by_text("Tagged “lake”, “red boat”.")).to_be_visible()
    link = page.locator(".tag a", has_text="red boat")
    expect(link).to_have_attribute("href", re.compile(r"/search/\?q=tag%3A%22red%20boat%22"))
    page.get_by_role("link", name="History of these words").click()
    assert fits(page)
    expect(page.locator(".edit").first).to_contain_text("ada added the tag “red boat”")
    page.get_by_role("button", name="Revert that ada added the tag “lake”").first.click()
    expect(page.locator(".edit").first).to_contain_text("ada took away the tag “lake”")
    page.get_by_role("button", name="Revert that ada added the tag “red boat”").first.click()
    expect(page.locator(".edit").first).to_contain_text("ada took away the tag “red boat”")
    page.goto("/changes/")
    assert fits(page)
    expect(page.locator(".edit").first).to_contain_text("took away the tag “red boat”")


def test_without_javascript(browser, filled, viewport, signed_in):
    context = browser.new_context(
        viewport=viewport, storage_state=signed_in, base_url=filled.url, java_script_enabled=False
    )
    page = context.new_page()
    page.goto("/?sort=largest")
    for at in (0, 2):
        page.locator(".pick input").nth(at).check()
    page.get_by_label("Tags, with commas").fill("plain form")
    page.get_by_role("button", name="Add tags").click()
    expect(page.get_by_text("All 2 pictures get “plain form”")).to_be_visible()
    assert fits(page)
    page.get_by_role("button", name="Add to 2 pictures").click()
    expect(page.get_by_text("Added “plain form” to 2 pictures.")).to_be_visible()
    expect(page).to_have_url(re.compile("sort=largest"))
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Taken back: 2 changes to 2 pictures.")).to_be_visible()
    context.close()
