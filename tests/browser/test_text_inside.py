"""Words inside a picture, in a real browser: boxes over the picture, found words marked, copied from the picture."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.galleries import Site
from tests.browser.test_pages import fits

pytestmark = pytest.mark.browser

READ = """
from gallery.models import Image, OcrText
image = Image.objects.get(name="{}")
words = [["SECURITY", 0.1, 0.2, 0.5, 0.1, 0.96], ["CCTV", 0.65, 0.2, 0.2, 0.1, 0.9],
         ["entrance", 0.1, 0.4, 0.4, 0.08, 0.9], ["harbour", 0.8, 0.5, 0.08, 0.4, 0.8]]
OcrText.objects.filter(image=image).delete()
OcrText.objects.create(image=image, text="SECURITY CCTV\\nentrance\\nharbour", words=words, origin="tesseract:eng",
                       generation=7, confidence=0.9, state="suggested")
print(image.pk)
"""


@pytest.fixture
def address(filled: Site, viewport: dict) -> str:
    """Of a picture of its own for each width of the window."""
    name = "050.jpg" if viewport["width"] < 500 else "054.jpg"
    return f"/image/{filled.run(READ.format(name)).split()[-1]}/"


def copied(page: Page) -> str:
    return page.evaluate("navigator.clipboard.readText()")


def test_it_works(page, address):
    page.goto(address)
    boxes = page.locator(".text-boxes")
    expect(boxes).to_be_hidden()
    page.keyboard.press("t")
    expect(boxes).to_be_visible()
    assert fits(page)
    picture, first = page.locator(".stage .picture").bounding_box(), boxes.locator("rect").first.bounding_box()
    assert first["x"] == pytest.approx(picture["x"] + 0.1 * picture["width"], abs=3)
    assert first["y"] == pytest.approx(picture["y"] + 0.2 * picture["height"], abs=3)
    assert first["width"] == pytest.approx(0.5 * picture["width"], abs=5)
    page.locator(".text-inside .word", has_text="entrance").hover()
    expect(boxes.locator(".boxed", has_text="entrance")).to_have_class(re.compile("lit"))
    boxes.locator(".boxed", has_text="CCTV").locator("text").hover()
    expect(page.locator(".text-inside .word", has_text="CCTV")).to_have_class(re.compile("lit"))
    expect(boxes.locator(".lit")).to_have_count(1)
    page.keyboard.press("t")
    expect(boxes).to_be_hidden()


def test_words_are_copied_from_the_picture(page, address):
    page.goto(address)
    page.get_by_label("Show it in the picture").check()
    page.locator(".text-boxes").scroll_into_view_if_needed()
    words = page.locator(".text-boxes text")
    start, end = words.nth(0).bounding_box(), words.nth(2).bounding_box()
    page.mouse.move(start["x"] + 1, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=5)
    page.mouse.move(end["x"] + end["width"] - 1, end["y"] + end["height"] / 2, steps=5)
    page.mouse.up()
    page.keyboard.press("Control+c")
    assert re.fullmatch(r"SECURITY CCTV\nentranc?e?", copied(page))
    page.get_by_role("button", name="Copy this text").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert copied(page) == "SECURITY CCTV\nentrance\nharbour"


def test_who_comes_from_a_search_sees_its_words(page, address):
    page.goto(f"{address}?mark=sekurity")
    expect(page.locator(".text-boxes")).to_be_visible()
    expect(page.locator(".text-boxes .marked")).to_have_text("SECURITY")
    expect(page.locator(".text-inside mark")).to_have_text("SECURITY")
    assert fits(page)


def test_a_wrong_text_is_rejected_and_brought_back(page, address):
    page.goto(address)
    page.get_by_role("button", name="Reject this text").click()
    expect(page.locator(".text-inside")).to_have_count(0)
    expect(page.locator(".text-boxes")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".text-inside blockquote")).to_contain_text("SECURITY")


def test_without_javascript(browser, filled, viewport, address):
    context = browser.new_context(viewport=viewport, base_url=filled.url, java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    expect(page.locator(".text-inside blockquote")).to_have_text(re.compile("SECURITY CCTV.*entrance", re.DOTALL))
    page.get_by_label("Show it in the picture").check()
    expect(page.locator(".text-boxes")).to_be_visible()
    context.close()
