"""A crop is dropped: both pictures are shown before it is stored, and each button does what it says."""

from __future__ import annotations

import re

import pytest
from PIL.Image import Image as PillowImage
from playwright.sync_api import Page, expect

from tests.browser.galleries import Site, picture
from tests.browser.test_pages import DROP, a_file, fits
from tests.pictures import encode, photo

pytestmark = pytest.mark.browser


def crop_of(seed: int, viewport: dict) -> bytes:
    """Most of a picture, in other bytes for each window."""
    whole = picture(seed)
    return encode(whole.crop((0, 0, whole.width * 3 // 4, whole.height * 3 // 4)), quality=viewport["width"] % 37 + 55)


def own_picture(filled: Site, name: str, seed: int) -> PillowImage:
    """One more in the gallery, of which no other test makes edits."""
    whole = photo(seed, 480, 360)
    filled.bring(name, {f"{name}.jpg": encode(whole)})
    return whole


def drop(page: Page, name: str, content: bytes):
    """The line of a file that is dropped on the Import page."""
    page.goto("/import/")
    page.evaluate(DROP, [a_file(name, content)])
    line = page.locator(".import .lines .line").first
    expect(line).to_have_attribute("data-state", re.compile("held|stored|known"))
    return line


class TestHeld:
    def test_it_works(self, page, filled, viewport):
        line = drop(page, "crop.jpg", crop_of(8, viewport))
        expect(line).to_contain_text("A part of")
        expect(line).to_contain_text("008.jpg")
        expect(line).to_contain_text("matching points")
        thumbs = line.locator("figure img:not(.placeholder)")
        expect(thumbs).to_have_count(2)
        for thumb in thumbs.all():
            thumb.scroll_into_view_if_needed()
            expect(thumb).to_have_js_property("complete", True)
            assert thumb.evaluate("image => image.naturalWidth") > 0
        for button in ("Keep both", "Replace #", "Do not store"):
            expect(line.get_by_role("button", name=button)).to_be_visible()
        expect(line).to_contain_text("we would not store yours")
        expect(page.locator(".tally [data-sum]")).to_have_text("1 waiting for your decision")
        expect(page.locator("#held-bar")).to_contain_text("your decision")
        assert fits(page)

    def test_keep_both(self, page, filled, viewport):
        # What is kept is like it, too: each window has its own.
        line = drop(page, "keep.jpg", crop_of(12 if viewport["width"] < 1000 else 68, viewport))
        line.get_by_role("button", name="Keep both").click()
        line = page.locator(".import .lines .line")
        expect(line).to_have_count(1)
        expect(line).to_have_attribute("data-state", "stored")
        expect(line).to_contain_text("Stored as #")
        expect(page.locator(".tally [data-sum]")).to_have_text("1 stored")
        expect(line).to_be_focused()

    def test_replace_and_undo(self, page, filled, viewport):
        whole = own_picture(filled, f"replace-{viewport['width']}", 9100 + viewport["width"])
        line = drop(page, "larger.jpg", encode(whole.resize((whole.width * 2, whole.height * 2))))
        expect(line).to_contain_text("we would replace the one here")
        pk = line.locator("figure strong").nth(1).inner_text()  # "#91"
        line.get_by_role("button", name=f"Replace {pk} by larger.jpg", exact=True).click()
        line = page.locator(".import .lines .line")
        expect(line).to_contain_text(f"in place of {pk}")
        line.get_by_role("button", name="Undo").click()
        expect(line).to_contain_text("The one that was replaced is back; yours stays too.")

    def test_do_not_store_and_undo(self, page, filled, viewport):
        line = drop(page, "drop.jpg", crop_of(24, viewport))
        line.get_by_role("button", name="Do not store").click()
        line = page.locator(".import .lines .line")
        expect(line).to_contain_text("Not stored. It can be taken back until")
        expect(page.locator(".tally [data-sum]")).to_have_text("1 not stored")
        line.get_by_role("button", name="Undo").click()
        expect(line.get_by_role("button", name="Keep both")).to_be_visible()
        expect(page.locator(".tally [data-sum]")).to_have_text("1 waiting for your decision")

    def test_of_several_each_has_its_button(self, page, filled, viewport):
        """Below its own picture, so that nobody has to know numbers."""
        name, seed = f"several-{viewport['width']}", 9200 + viewport["width"]
        whole = own_picture(filled, name, seed)
        page.goto("/import/")
        page.get_by_label("If one is here already in another form").select_option(label="keep both")
        page.evaluate(DROP, [a_file("copy.png", encode(whole.resize((400, 300)), "PNG"))])
        expect(page.locator(".lines .line").first).to_contain_text("Stored")
        for _ in range(40):  # until the copy can be found
            line = drop(page, "larger.jpg", encode(whole.resize((960, 720))))
            if line.locator("figure").count() == 3:
                break
            page.wait_for_timeout(250)
        figure = line.locator("figure").nth(2)
        pk = figure.locator("strong").inner_text()
        assert fits(page)
        figure.get_by_role("button", name=f"Replace {pk} by larger.jpg", exact=True).click()
        expect(page.locator(".import .lines .line")).to_contain_text(f"in place of {pk}")

    def test_the_page_fits_when_something_was_dropped(self, page, filled, viewport):
        line = drop(page, "bar.jpg", crop_of(48, viewport))
        line.get_by_role("button", name="Do not store").click()
        expect(page.locator(".import .lines .line")).to_contain_text("Not stored.")
        page.goto("/import/")
        undo = page.locator("#held-bar .note").get_by_role("button", name="Undo")
        expect(undo).to_be_visible()
        assert fits(page)
        note = page.locator("#held-bar .note").bounding_box()
        box = undo.bounding_box()
        assert box["x"] + box["width"] <= note["x"] + note["width"]

    def test_a_decision_that_is_too_late_is_told_in_the_line(self, page, context, filled, viewport):
        line = drop(page, "late.jpg", crop_of(28, viewport))
        token = line.get_attribute("id").removeprefix("held-")
        other = context.new_page()
        other.goto(f"/import/held/{token}/")
        other.get_by_role("button", name="Do not store").click()
        expect(other.locator(".line")).to_contain_text("Not stored.")
        other.close()
        line.get_by_role("button", name="Keep both").click()
        expect(page.locator(".import .lines .line")).to_contain_text("ada has decided already: it is not stored.")
        page.errors.clear()  # the browser writes the 409 to its console

    @pytest.mark.parametrize(("choice", "words", "seed"), [("keep both", "Stored", 52), ("skip it", "Skipped.", 60)])
    def test_who_has_chosen_before_is_not_asked(self, page, filled, viewport, choice, words, seed):
        page.goto("/import/")
        page.get_by_label("If one is here already in another form").select_option(label=choice)
        seed += 4 * (viewport["width"] > 1000)
        page.evaluate(DROP, [a_file("chosen.jpg", crop_of(seed, viewport))])
        line = page.locator(".import .lines .line").first
        expect(line).to_contain_text(words)
        expect(line).to_contain_text(f"{seed:03}.jpg")

    def test_it_works_without_javascript(self, browser, filled, signed_in, tmp_path, viewport):
        path = tmp_path / "plain.jpg"
        path.write_bytes(crop_of(36, viewport))
        context = browser.new_context(
            viewport=viewport, storage_state=signed_in, base_url=filled.url, java_script_enabled=False
        )
        page = context.new_page()
        page.goto("/import/")
        page.set_input_files('input[name="files"]', str(path))
        page.get_by_role("button", name="Add them").click()
        line = page.locator(".import .lines .line")
        expect(line).to_contain_text("036.jpg")
        line.get_by_role("button", name="Do not store").click()
        expect(page.locator(".messages")).to_contain_text("plain.jpg was not stored. Undo it within a day.")
        page.get_by_role("link", name=re.compile("of the last day")).click()
        page.get_by_role("button", name=re.compile("^Undo.*plain.jpg")).last.click()
        expect(page.locator(".messages")).to_contain_text("plain.jpg waits for your decision again.")
        context.close()

    def test_all_are_dropped_and_taken_back(self, page, filled, viewport):
        drop(page, "all.jpg", crop_of(40, viewport))
        page.goto("/import/")
        page.get_by_role("button", name=re.compile("^Drop all")).click()
        expect(page.locator("#held-bar")).to_contain_text("Nothing waits for your decision")
        page.locator("#held-bar").get_by_role("button", name="Undo").click()
        expect(page.locator(".messages")).to_contain_text("for your decision again")
        expect(page.locator("#held .line").first).to_be_visible()


def test_compare_opens_the_evidence(page, filled, viewport):
    line = drop(page, "compare.jpg", crop_of(44, viewport))
    line.get_by_role("button", name=re.compile("^Compare")).click()
    page.wait_for_url("**/search/q/*/match/*/")
    expect(page.locator("main")).to_contain_text("matching points")
