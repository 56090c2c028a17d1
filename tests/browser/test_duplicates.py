"""Duplicates in a real browser: find them, look, decide, take it back, let a rule decide."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.galleries import Site
from tests.browser.test_pages import LAYOUT_SHIFTS, fits
from tests.pictures import encode, photo

pytestmark = pytest.mark.browser

LIST = "/search/duplicates/"


@pytest.fixture(scope="session")
def doubled(filled: Site) -> Site:
    """The gallery with copies: for each width of the window a pair to decide, and pairs for a rule."""
    files = {}
    for seed in range(9000, 9008):
        picture = photo(seed, 640, 480)
        files[f"double{seed}.jpg"] = encode(picture)
        files[f"double{seed}-small.jpg"] = encode(picture.resize((320, 240)))
    filled.bring("doubles", files)
    filled.manage("duplicates", "--examine")
    return filled


@pytest.fixture
def seed(viewport: dict) -> int:
    """Of a pair that only this width of the window decides about."""
    return 9000 if viewport["width"] < 500 else 9001


def family(page: Page, seed: int):
    return page.locator(".family", has_text=f"double{seed}.jpg")


def wait_until_there(page: Page, address: str, seed: int) -> None:
    for _ in range(40):  # restored pictures are prepared again
        page.goto(address)
        if family(page, seed).count():
            return
        page.wait_for_timeout(250)


def test_it_works(page, doubled, seed):
    """The list: the better one is marked; merge, and undo, without leaving the place."""
    page.goto(f"{LIST}?name=double{seed}")
    row = family(page, seed)
    expect(row.locator(".member.best")).to_contain_text(f"double{seed}.jpg")
    assert fits(page)
    row.get_by_role("button", name="Merge").click()
    line = page.locator(".decided")
    expect(line).to_contain_text(f"double{seed}.jpg is kept, double{seed}-small.jpg is in the trash")
    expect(line).not_to_have_class(re.compile("htmx"))  # until then the button sends its form the plain way
    page.keyboard.press("u")
    expect(family(page, seed)).to_contain_text("2 copies of the same picture")
    expect(family(page, seed).get_by_role("button", name="Merge")).to_be_enabled()
    expect(page).to_have_url(re.compile(f"name=double{seed}"))


def test_side_by_side_by_keys(page, doubled, seed):
    wait_until_there(page, f"{LIST}?name=double{seed}", seed)
    family(page, seed).get_by_role("link", name="Look closer").click()
    expect(page.locator("h1")).to_have_text("2 copies of the same picture")
    page.wait_for_load_state()
    assert fits(page)
    expect(page.locator("#outcome")).to_contain_text(f"double{seed}.jpg stays")
    page.keyboard.press("2")
    expect(page.locator("#outcome")).to_contain_text(f"double{seed}-small.jpg stays; the other one goes")
    page.keyboard.press("1")
    expect(page.locator("#outcome")).to_contain_text(f"double{seed}.jpg stays; the other one goes")
    page.keyboard.press("m")
    said = page.locator(".messages")
    expect(said).to_contain_text(f"double{seed}.jpg is kept")
    page.wait_for_load_state()
    page.keyboard.press("u")
    expect(said).to_contain_text("Undone: 1 picture back.")
    page.wait_for_load_state()
    expect(page.locator("h1")).to_have_text("2 copies of the same picture")
    page.keyboard.press("n")
    expect(said).to_contain_text("no duplicates")
    page.goto(f"{LIST}?name=double{seed}")
    expect(family(page, seed)).to_have_count(0)
    page.goto(f"{LIST}history/?kind=dismissed")
    page.locator(".event", has_text=f"double{seed}.jpg").get_by_role("button", name="Ask again").click()
    expect(page.locator(".messages")).to_contain_text("they may be duplicates again")


def test_one_is_laid_on_the_other(page, doubled):
    page.goto(f"{LIST}?name=double9003")
    family(page, 9003).get_by_role("link", name="Look closer").click()
    view = page.locator(".closer .view")
    view.scroll_into_view_if_needed()
    expect(view.locator(".over")).to_have_js_property("complete", True)
    slider = page.get_by_label("how much of it is shown")
    slider.fill("80")
    assert view.evaluate("view => view.style.getPropertyValue('--at')") == "80"
    page.get_by_text("Difference", exact=True).click()
    assert view.locator(".over").evaluate("it => getComputedStyle(it).mixBlendMode") == "difference"
    page.get_by_role("link", name="The points that match").click()
    expect(page.locator("svg.points").first).to_be_attached()


def test_j_and_k_go_on_and_back(page, doubled):
    page.goto(f"{LIST}?name=double&sort=newest")
    page.get_by_role("link", name="Look closer").first.click()
    page.wait_for_load_state()
    first = page.url
    page.keyboard.press("j")
    expect(page).not_to_have_url(first)
    page.wait_for_load_state()
    page.keyboard.press("k")
    expect(page).to_have_url(first)


def test_a_rule_is_tried_applied_and_undone(page, doubled, viewport):
    seed = 9005 if viewport["width"] < 500 else 9006
    page.goto(f"{LIST}rules/")
    page.get_by_role("link", name="Keep the largest").click()
    assert fits(page)
    mine = page.locator(".plan", has_text=f"double{seed}.jpg")
    while not mine.count():  # more groups than are shown at once
        page.get_by_role("link", name="Look at more groups").click()
        page.wait_for_timeout(500)
    expect(mine).to_contain_text(f"double{seed}-small.jpg goes to the trash")
    for box in page.locator(".plan input").all():
        box.set_checked(False)
    mine.locator("input").check()
    page.get_by_role("button", name="Apply to what is ticked").click()
    expect(page.locator(".lead")).to_contain_text("1 picture stays, 1 goes to the trash.")
    page.get_by_role("button", name="Merge 1 group").click()
    said = page.locator(".messages")
    expect(said).to_contain_text("1 group merged")
    expect(page.locator(".plan", has_text=f"double{seed}.jpg")).to_have_count(0)
    said.get_by_role("button", name="Undo").click()
    expect(said).to_contain_text("Undone: 1 group.")


def test_somebody_else_was_faster(page, doubled, browser, signed_in, viewport):
    """The sentence stands where the group was; the rest of the page stays."""
    page.goto(f"{LIST}?name=double9007")
    row = family(page, 9007)
    expect(row.get_by_role("button", name="Merge")).to_be_enabled()
    context = browser.new_context(viewport=viewport, base_url=doubled.url, storage_state=signed_in)
    other = context.new_page()
    other.goto(f"{LIST}?name=double9007")
    family(other, 9007).get_by_role("button", name="Not duplicates").click()
    expect(other.locator(".decided")).to_be_visible()
    row.get_by_role("button", name="Merge").click()
    expect(page.locator(".families")).to_contain_text("somebody has decided about it")
    page.errors.clear()  # the browser writes the 410 to its console
    other.locator(".decided").get_by_role("button", name="Undo").click()
    expect(family(other, 9007)).to_be_visible()
    context.close()


def test_nothing_moves_while_pictures_are_compared(page, doubled, viewport):
    if viewport["width"] < 500:
        pytest.skip("On a phone the words stand below the pictures, and grow a line.")
    page.goto(f"{LIST}?name=double900")
    expect(page.locator(".member.best").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert sum(value for value, *_ in page.evaluate(LAYOUT_SHIFTS)) < 0.01


def test_it_works_without_javascript(browser, doubled, signed_in, viewport):
    context = browser.new_context(
        viewport=viewport, storage_state=signed_in, base_url=doubled.url, java_script_enabled=False
    )
    page = context.new_page()
    page.goto(f"{LIST}?name=double9004")
    page.get_by_role("link", name="Look closer").click()
    expect(page.locator(".plain img").first).to_be_visible()
    page.get_by_label("To the trash").last.check()
    page.get_by_role("button", name="Merge").click()
    expect(page.locator(".messages")).to_contain_text("double9004.jpg is kept")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".messages")).to_contain_text("Undone: 1 picture back.")
    page.get_by_role("button", name="Not duplicates").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".messages")).to_contain_text("they may be duplicates again")
    context.close()


def test_every_page_fits_and_keeps_the_content_policy(page, doubled):
    for path in ("", "rules/", "rules/?rule=suggested", "history/", "same-bytes/"):
        assert page.goto(LIST + path).status == 200
        assert fits(page)
        assert page.title()
        assert page.errors == [], path
