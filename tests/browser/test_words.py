"""Words in a real browser: accept, correct, reject and write them; draw the line; with and without JavaScript."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.galleries import Site
from tests.browser.test_pages import fits

pytestmark = pytest.mark.browser

SUGGEST = """
from gallery.models import Caption, Image, ImageTag, Tag
from search.models import Generation
kinds = [("places", "places:tests"), ("caption", "blip:tests/captioner")]
places, captions = [Generation.objects.create(role=r, network=n, fingerprint="f", state="current") for r, n in kinds]
names = ["beach", "harbour", "mountain path", "kitchen"]
tags = [Tag.objects.create(name=name, category="scene") for name in names]
for number, image in enumerate(Image.objects.order_by("pk")):
    machine = {"image": image, "state": "suggested"}
    for place, tag in enumerate(tags[: 1 + number % 4]):
        sure = ((number * 37 + place * 23) % 99 + 1) / 100
        own = {"origin": places.network, "generation": places.pk, "confidence": sure, "offered": sure >= 0.3}
        ImageTag.objects.create(tag=tag, **own, **machine)
    own = {"origin": captions.network, "generation": captions.pk, "confidence": 0.62}
    Caption.objects.create(text=f"a drawing of soft areas and {number} edges", **own, **machine)
"""
SURE = """
from gallery.models import Image, ImageTag
image = Image.objects.get(name="{}")
print(image.pk, ImageTag.objects.filter(image=image).update(confidence=0.9, offered=True))
"""


@pytest.fixture(scope="session")
def worded(filled: Site) -> Site:
    """The gallery with a caption and tags for each picture, as networks would suggest them."""
    filled.run(SUGGEST)
    return filled


@pytest.fixture
def address(worded: Site, viewport: dict) -> str:
    """Of a picture with three tags that only this width of the window decides about."""
    name = "042.jpg" if viewport["width"] < 500 else "046.jpg"
    pk = worded.run(SURE.format(name)).split()[-2]
    return f"/image/{pk}/"


def tag(page: Page, name: str):
    return page.locator(".tag", has_text=re.compile(rf"^\s*{name}\b"))


def settled(page: Page) -> None:
    """Until then a button sends its form the plain way."""
    expect(page.locator("#words")).not_to_have_class(re.compile("htmx"))


def test_it_works(page, address):
    """Accept one, reject one, take it back, add one; nothing is loaded anew."""
    page.goto(address)
    page.evaluate("window.same = true")
    assert fits(page)
    page.get_by_role("button", name="Accept beach").click()
    expect(tag(page, "beach")).to_have_class(re.compile("accepted"))
    expect(page.get_by_role("status").filter(has_text="“beach” is accepted.")).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    settled(page)
    page.get_by_role("button", name="Reject harbour").click()
    expect(tag(page, "harbour")).to_have_count(0)
    settled(page)
    page.keyboard.press("z")
    expect(tag(page, "harbour")).to_have_class(re.compile("suggested"))
    settled(page)
    page.get_by_label("Add a tag").fill("Own  Tag")
    page.get_by_label("Add a tag").press("Enter")
    expect(tag(page, "own tag")).to_have_class(re.compile("accepted"))
    page.get_by_text("Who says so").click()
    expect(page.get_by_text("by tests, 90\xa0% sure, accepted by a person")).to_be_visible()
    assert page.evaluate("window.same")
    assert fits(page)
    page.reload()
    expect(tag(page, "own tag")).to_be_visible()


def test_a_caption_is_corrected_in_place(page, address):
    page.goto(address)
    expect(page.get_by_text(re.compile("by .*captioner, 62\xa0% sure"))).to_be_visible()
    page.get_by_text("Correct", exact=False).first.click()
    field = page.get_by_role("textbox", name="Caption")
    expect(field).to_have_value(re.compile("a drawing of soft areas"))
    field.fill("Sails in the harbour")
    assert fits(page)
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".said")).to_have_text("Sails in the harbour")
    expect(page.locator(".stage .picture")).to_have_attribute("alt", re.compile("a drawing of"))  # until the next look
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".said")).to_contain_text("a drawing of soft areas")


def test_two_people_at_once(page, context, address):
    other = context.new_page()
    for each in (page, other):
        each.goto(address)
        each.get_by_text("Correct", exact=False).first.click()
    other.get_by_role("textbox", name="Caption").fill("Hers")
    other.get_by_role("button", name="Save").click()
    expect(other.locator(".said")).to_have_text("Hers")
    page.get_by_role("textbox", name="Caption").fill("His")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").filter(has_text="Meanwhile somebody has written “Hers”.")).to_be_visible()
    expect(page.get_by_role("textbox", name="Caption")).to_have_value("His")
    page.errors.clear()  # the 409 in the console
    other.get_by_role("button", name="Undo").click()
    expect(other.locator(".said")).to_contain_text("a drawing of soft areas")
    other.close()


def test_a_caption_with_a_line_break_is_edited(page, worded, address):
    """As a merge makes them; browsers send other line breaks than they got."""
    caption = f"Caption.objects.get_or_create(image_id={address.split('/')[2]}, origin='person', generation=0)[0]"
    worded.run(
        f"from gallery.models import Caption\nc = {caption}\nc.text = 'one\\ntwo'\nc.state = 'accepted'\nc.save()"
    )
    page.goto(address)
    page.get_by_text("Edit", exact=True).click()
    page.get_by_role("textbox", name="Caption").fill("three")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".said")).to_have_text("three")
    worded.run(f"from gallery.models import Caption\n{caption}.delete()")


def test_who_was_signed_out_gets_the_page_as_it_is_now(page, context, address):
    """Not a page within the page."""
    page.goto(address)
    signed_in = context.cookies()
    context.clear_cookies()
    tag(page, "beach").get_by_role("button").last.click()
    expect(page.locator("#words button")).to_have_count(0)
    expect(page.locator("main")).to_have_count(1)
    assert tag(page, "beach").count() == 1
    page.errors.clear()  # the 403 in the console
    context.add_cookies(signed_in)


def test_what_was_trashed_meanwhile_is_said_to_be_gone(page, worded, address):
    change = "from gallery.models import Image; Image.objects.filter(pk={}).update(trashed_at={})"
    pk = address.split("/")[2]
    page.goto(address)
    page.route("**/reject/", lambda route: route.fulfill(status=404, content_type="text/html", body="<HTML><h1>x</h1>"))
    worded.run(change.format(pk, "'2026-01-01T00:00Z'"))
    try:
        with page.expect_navigation():
            tag(page, "beach").get_by_role("button").last.click()
        expect(page.locator("main")).to_have_count(1)
        expect(page.get_by_text("x", exact=True)).to_have_count(0)
    finally:
        worded.run(change.format(pk, "None"))
    page.errors.clear()  # the 404 in the console


def test_without_javascript(browser, worded, viewport, signed_in, address):
    context = browser.new_context(
        viewport=viewport, storage_state=signed_in, base_url=worded.url, java_script_enabled=False
    )
    page = context.new_page()
    page.goto(address)
    page.get_by_role("button", name="Reject mountain path").click()
    expect(tag(page, "mountain path")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(tag(page, "mountain path")).to_be_visible()
    page.get_by_text("Correct", exact=False).first.click()
    page.get_by_role("textbox", name="Caption").fill("A plain form")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".said")).to_have_text("A plain form")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".said")).to_contain_text("a drawing of soft areas")
    page.goto("/import/words/?role=places")
    page.get_by_label("At least this sure").fill("60")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Draw the line at 60 %").click()
    expect(page.get_by_text("The line of Places is at 60 %.")).to_be_visible()
    page.get_by_role("button", name="Undo").first.click()
    expect(page.get_by_text("The line of Places is at 30 %.")).to_be_visible()
    context.close()


def test_strangers_have_no_buttons(browser, worded, viewport, address):
    context = browser.new_context(viewport=viewport, base_url=worded.url)
    page = context.new_page()
    page.goto(address)
    expect(page.locator(".said")).to_be_visible()
    expect(page.locator("#words button")).to_have_count(0)
    assert fits(page)
    context.close()


def test_the_slider_shows_what_would_change(page, worded):
    page.goto("/import/words/?role=places")
    assert fits(page)
    expect(page.get_by_role("button", name="Draw the line")).to_have_count(0)  # it is there
    page.get_by_label("At least this sure").fill("700")
    expect(page.get_by_role("slider", name="The line")).to_have_value("30")
    page.get_by_label("At least this sure").fill("30")
    counts = page.locator(".counts div").nth(1)
    before = counts.inner_text()
    page.get_by_role("slider", name="The line").fill("80")
    expect(page.get_by_label("At least this sure")).to_have_value("80")
    expect(counts).not_to_have_text(before)
    expect(counts).to_contain_text("At 80 %")
    page.get_by_role("button", name="Draw the line at 80 %").click()
    expect(page.get_by_text("The line of Places is at 80 %.")).to_be_visible()
    page.get_by_role("button", name="Undo").first.click()
    expect(page.get_by_text("The line of Places is at 30 %.")).to_be_visible()
    assert fits(page)
