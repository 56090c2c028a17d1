"""Tags in a real browser: suggestions by keyboard, a merge and its undo."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.galleries import Site
from tests.browser.test_pages import fits

pytestmark = pytest.mark.browser

MADE = """
from gallery.models import Image, ImageTag, Tag, TagAlias
images = list(Image.objects.order_by("pk")[:20])
for name, count in {"sailing boat": 9, "sail": 4, "saloon": 2, "regatta": 6, "regata": 3}.items():
    tag = Tag.objects.get_or_create(name=name, defaults={"category": "tests"})[0]
    for image in images[:count]:
        ImageTag.objects.get_or_create(image=image, tag=tag, origin="person", generation=0)
TagAlias.objects.get_or_create(name="yacht", defaults={"tag": Tag.objects.get(name="sailing boat")})
print(Tag.objects.get(name="regata").pk, images[0].pk)
"""


@pytest.fixture(scope="module")
def numbers(filled: Site) -> tuple[str, str]:
    """Of the tag that is merged, and of a picture."""
    tag, image = filled.run(MADE).split()[-2:]
    return tag, image


def chosen(page: Page) -> str:
    return page.locator('#completions [aria-selected="true"] .what').inner_text()


def test_it_works(page, numbers):
    """Written by keyboard alone, as screen readers are told of it."""
    page.goto("/search/")
    field = page.locator("#q")
    field.focus()
    page.keyboard.type("sai")
    options = page.locator("#completions [role=option]")
    expect(options.first).to_contain_text(re.compile(r"sailing boat.*9"))
    expect(field).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert chosen(page) == "sail"
    active = field.get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").inner_text().startswith("sail")
    assert fits(page)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(field).to_have_value('tag:"sailing boat" ')
    expect(page.locator("#completions")).to_be_hidden()
    page.keyboard.type("yach")
    expect(options.first).to_contain_text("yacht → sailing boat")
    page.keyboard.press("Escape")
    expect(page.locator("#completions")).to_be_hidden()
    expect(field).to_have_value('tag:"sailing boat" yach')  # Escape closed the list and no more
    expect(field).to_be_focused()


def test_a_tag_is_added_by_name(page, numbers):
    page.goto(f"/image/{numbers[1]}/")
    field = page.locator("#add-tag")
    field.focus()
    page.keyboard.type("salon")
    expect(page.locator("#completions [role=option]").first).to_contain_text("saloon")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    expect(field).to_have_value("saloon")
    expect(field).to_be_focused()


def test_a_merge_is_foreseen_and_undone(page, numbers):
    page.goto(f"/tags/{numbers[0]}/")
    assert fits(page)
    page.get_by_label("Into the tag").fill("regatta")
    page.get_by_role("button", name="Merge…").click()
    expect(page.get_by_role("heading", name="3 pictures change")).to_be_visible()
    assert fits(page)
    page.get_by_role("button", name="Merge", exact=True).click()
    expect(page.get_by_role("heading", name="regatta", exact=True)).to_be_visible()
    expect(page.locator(".tags-facts li > span")).to_have_text(["regata"])
    page.locator(".messages").get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone: “regata” was merged into “regatta”.")).to_be_visible()
    page.goto(f"/tags/{numbers[0]}/")
    expect(page.get_by_role("link", name="3 pictures")).to_be_visible()
    page.get_by_role("link", name="Tags", exact=True).click()
    expect(page.get_by_role("heading", name="Tests")).to_be_visible()
    assert fits(page)
