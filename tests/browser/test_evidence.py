"""The evidence in a real browser: outlines, the slider, the difference, the panel under a card."""

import re

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.test_pages import LAYOUT_SHIFTS, fits
from tests.pictures import encode, photo

pytestmark = pytest.mark.browser


@pytest.fixture(scope="session")
def parts(filled):
    """The gallery with two crops of its picture 20.jpg (480 x 360): {name: number}."""
    whole = photo(20, 480, 360)
    crops = {"left.png": whole.crop((20, 20, 320, 320)), "right.png": whole.crop((200, 60, 470, 340))}
    filled.bring("parts", {name: encode(crop, "PNG") for name, crop in crops.items()}, "--edits", "keep")
    show = "from gallery.models import Image; print(dict(Image.objects.values_list('name', 'pk')))"
    return {name: int(pk) for name, pk in re.findall(r"'([^']+)': (\d+)", filled.run(show))}


def ask(page: Page, tmp_path, picture: Image.Image) -> None:
    """Search with it; once more if the engines were cold."""
    path = tmp_path / "mine.png"
    path.write_bytes(encode(picture, "PNG"))
    page.goto("/search/")
    page.set_input_files('input[name="picture"]', str(path))
    expect(page).to_have_url(re.compile("/search/q/"))
    page.wait_for_load_state()  # with its styles
    for _ in range(5):
        if page.get_by_text("no answer within").count():
            page.reload()


def collage() -> Image.Image:
    paper = Image.new("RGB", (980, 740), "white")
    for at, seed in enumerate((0, 4, 8, 12)):
        paper.paste(photo(seed, 480, 360), (5 + at % 2 * 490, 5 + at // 2 * 370))
    return paper


class TestOutlines:
    def test_it_works(self, page, filled, tmp_path):
        """Each picture of a collage has its outline; the outline and its card light up together."""
        ask(page, tmp_path, collage())
        assert fits(page)
        assert page.evaluate(LAYOUT_SHIFTS) == []
        outlines = page.locator("a.outline")
        expect(outlines).to_have_count(4)
        name = outlines.first.get_attribute("data-outline")
        card = page.locator(f"#match-{name}")
        picture, outline = page.locator(".drawn img").bounding_box(), outlines.first.locator(".line").bounding_box()
        assert outline["width"] == pytest.approx(picture["width"] * 480 / 980, rel=0.1)
        outlines.first.focus()
        expect(card).to_have_class(re.compile("lit"))
        card.locator("a").first.hover()
        expect(outlines.first).to_have_class(re.compile("lit"))
        outlines.first.focus()
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(f"#match-{name}$"))
        expect(card).to_be_in_viewport()

    def test_they_can_be_hidden(self, page, filled, tmp_path):
        ask(page, tmp_path, collage())
        page.locator(".show-outlines").uncheck()
        page.locator("h1").hover()
        expect(page.locator("a.outline").first).to_be_hidden()
        page.locator(".show-outlines").check()
        expect(page.locator("a.outline").first).to_be_visible()

    def test_parts_are_outlined_on_the_image_page(self, page, parts):
        """On demand, with a key; and nothing moves when the strips come."""
        page.goto(f"/image/{parts['020.jpg']}/")
        page.locator(".strips").scroll_into_view_if_needed()
        expect(page.locator(".strip-title").first).to_contain_text("2 pictures are parts of this one")
        assert fits(page)
        assert page.evaluate(LAYOUT_SHIFTS) == []
        outline = page.locator("#stage-outlines a.outline").first
        expect(outline).to_be_hidden()
        page.keyboard.press("o")
        expect(outline).to_be_visible()
        path = outline.get_attribute("href")
        page.locator(f'.strip-proven a[href="{path}"]').focus()
        expect(outline).to_have_class(re.compile("lit"))
        page.locator("#stage-outlines a.outline").last.focus()
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("/image/"))
        assert page.url.split("/")[-2] in {str(parts["left.png"]), str(parts["right.png"])}


class TestEvidence:
    def opened(self, page: Page, parts: dict) -> None:
        page.goto(f"/search/like/{parts['left.png']}/match/{parts['020.jpg']}/")
        page.locator(".view").scroll_into_view_if_needed()
        for picture in page.locator(".view img").all():
            expect(picture).not_to_have_js_property("naturalWidth", 0)

    def shown(self, page: Page) -> float:
        """How far from the left the query is shown, in percent."""
        clip = page.locator(".over").evaluate("(it) => getComputedStyle(it).clipPath")
        return 100 - float(re.search(r"inset\(0(?:px|%)? ([\d.]+)%", clip)[1])

    def test_it_works(self, page, parts):
        self.opened(page, parts)
        assert fits(page)
        expect(page.locator(".points:visible")).to_have_count(1)
        expect(page.locator("main")).to_contain_text("left.png is a part of 020.jpg")
        assert page.evaluate(LAYOUT_SHIFTS) == []

    def test_it_is_swiped_by_pointer_and_by_key(self, page, parts):
        self.opened(page, parts)
        assert self.shown(page) == 50
        box = page.locator(".view").bounding_box()
        y = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + box["width"] / 2, y)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.8, y, steps=5)
        page.mouse.up()
        assert self.shown(page) == pytest.approx(80, abs=2)
        before = self.shown(page)
        page.keyboard.press("ArrowLeft")
        assert self.shown(page) == before - 1

    def test_it_shows_the_difference(self, page, parts):
        self.opened(page, parts)
        page.get_by_label("Difference").check(force=True)
        expect(page.locator(".over")).to_have_css("mix-blend-mode", "difference")
        expect(page.locator(".swipe")).to_be_hidden()
        page.get_by_label("Stronger").check(force=True)
        expect(page.locator(".two")).to_have_css("filter", "brightness(4)")
        page.get_by_label("Swipe").check(force=True)
        expect(page.locator(".over")).to_have_css("mix-blend-mode", "normal")

    def test_a_panel_opens_under_the_card_and_closes(self, page, filled, tmp_path):
        ask(page, tmp_path, collage())
        link = page.locator(".to-evidence").first
        link.click()
        panel = page.locator(".panel:not(:empty)")
        expect(panel).to_contain_text("matching points")
        expect(panel).to_be_focused()
        expect(link).to_have_attribute("aria-expanded", "true")
        assert fits(page)
        panel.get_by_role("button", name="Close").click()
        expect(page.locator(".panel:not(:empty)")).to_have_count(0)
        expect(link).to_be_focused()

    def test_a_refusal_is_said_in_the_panel(self, page, filled, tmp_path):
        ask(page, tmp_path, collage())
        address = page.url
        page.request.post(
            f"{address}delete/",
            form={"csrfmiddlewaretoken": page.locator('meta[name="csrf-token"]').get_attribute("content")},
            headers={"Referer": address},
        )
        page.locator(".to-evidence").first.click()
        expect(page.locator(".panel:not(:empty)")).to_contain_text("not here any more")
        expect(page.locator("header.top")).to_have_count(1)
        page.errors.clear()  # the browser writes the 404 to its console

    def test_it_works_without_javascript(self, browser, filled, parts, viewport):
        context = browser.new_context(viewport=viewport, base_url=filled.url, java_script_enabled=False)
        page = context.new_page()
        fetched = []
        page.on("request", lambda request: fetched.append(request.url))
        page.goto(f"/image/{parts['020.jpg']}/")
        page.get_by_role("link", name="Show what is like it").click()
        expect(page.locator("a.outline")).to_have_count(2)
        page.locator('a[href*="/match/"]').first.click()
        expect(page.locator(".plain figure")).to_have_count(3)
        laid = page.locator(".blended img").last
        expect(laid).to_be_visible()
        expect(laid).to_have_css("mix-blend-mode", "difference")
        expect(page.locator(".blended > div")).to_have_css("filter", "brightness(4)")
        assert laid.bounding_box() == page.locator(".blended img").first.bounding_box()
        assert len([url for url in fetched if "warped.webp" in url]) == 1
        assert not [url for url in fetched if "difference.webp" in url]
        expect(page.locator(".laid")).to_be_hidden()
        assert fits(page)
        context.close()
