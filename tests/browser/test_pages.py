"""What a visitor does, in a real browser, narrow and wide."""

import base64
import re

import pytest
from PIL import ImageOps
from playwright.sync_api import Page, expect

from tests.browser.galleries import COUNT
from tests.pictures import encode, photo
from tests.sites.site import Reply

pytestmark = pytest.mark.browser

DROP = """(files) => {
  const transfer = new DataTransfer();
  for (const [name, type, base64] of files) {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type }));
  }
  const target = document.querySelector(".drop-zone") || document.body;
  for (const kind of ["dragenter", "dragover", "drop"])
    target.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer }));
}"""

PASTE = """([name, type, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  const options = { bubbles: true, cancelable: true, clipboardData: transfer };
  document.body.dispatchEvent(new ClipboardEvent("paste", options));
}"""

LAYOUT_SHIFTS = """() => new Promise((done) => {
  const name = (node) => !node ? "?" : node.nodeType === 1 ? `${node.tagName} .${node.className}` : node.nodeName;
  const of = (rect) => [rect.x, rect.y, rect.width, rect.height].map(Math.round).join(" ");
  const found = [];
  new PerformanceObserver((list) => list.getEntries().forEach((e) => found.push([e.value, Math.round(e.startTime),
    e.sources.map((it) => `${name(it.node)}: ${of(it.previousRect)} -> ${of(it.currentRect)}`)])))
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(found), 500);
})"""
"""Each with its value, its moment and what moved: a sum alone tells nobody what to mend."""


PAINTED_AND_CAME = """() => new Promise((done) => new PerformanceObserver((list) => done([
  list.getEntries()[0].startTime,
  performance.getEntriesByType("resource").find((it) => /rows\\..*js$/.test(it.name)).responseEnd,
])).observe({ type: "paint", buffered: true }))"""
"""Milliseconds from the start to the first paint, and to the end of the script that holds rows back."""


def a_file(name: str, data: bytes, type: str = "image/jpeg") -> list[str]:
    return [name, type, base64.b64encode(data).decode()]


STICKING_OUT = """() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("*")]
  .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
  .map((e) => `${e.tagName} .${e.className} ${Math.round(e.getBoundingClientRect().right)}`)"""


def fits(page: Page) -> bool:
    """Nothing sticks out at the side; what does is printed."""
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    if wide:
        print("\n".join(page.evaluate(STICKING_OUT)))
    return not wide


class TestImport:
    def test_it_works(self, page, filled, viewport):
        """Dropped files get a line each: stored, already here, refused; and the stored one appears in the rows."""
        new = encode(photo(7000 + viewport["width"], 500, 300))
        page.goto("/import/")
        files = [
            a_file("new.jpg", new),
            a_file("again.jpg", encode(photo(0, 480, 360))),
            a_file("note.jpg", b"only text"),
        ]
        page.evaluate(DROP, files)
        lines = page.locator(".lines .line")
        expect(lines).to_have_count(3)
        expect(lines.nth(0)).to_contain_text("Stored")
        expect(lines.nth(1)).to_contain_text("Already here")
        expect(lines.nth(1).locator("img").last).to_be_visible()
        expect(lines.nth(2)).to_contain_text("Refused")
        page.errors.clear()  # the browser writes the 415 of the refused file to its console
        link = lines.nth(0).get_by_role("link").last
        path = link.get_attribute("href")
        expect(page.locator(f'.rows a[href^="{path}"]')).to_have_count(0)
        for _ in range(40):  # the worker prepares it
            page.goto("/")
            if page.locator(f'.rows a[href^="{path}"]').count():
                break
            page.wait_for_timeout(250)
        expect(page.locator(f'.rows a[href^="{path}"]')).to_be_visible()

    def test_it_tells_the_same_picture_in_other_bytes(self, page, filled, viewport):
        page.goto("/import/")
        page.evaluate(DROP, [a_file("smaller.jpg", encode(photo(4, 480, 360).resize((viewport["width"], 300))))])
        line = page.locator(".lines .line").first
        expect(line).to_contain_text("The same picture as")
        expect(line).to_contain_text("004.jpg")

    def test_it_works_without_javascript(self, browser, filled, signed_in, tmp_path, viewport):
        path = tmp_path / "plain.png"
        path.write_bytes(encode(photo(8000 + viewport["width"]), "PNG"))
        context = browser.new_context(
            viewport=viewport, storage_state=signed_in, base_url=filled.url, java_script_enabled=False
        )
        page = context.new_page()
        page.goto("/import/")
        page.set_input_files('input[name="files"]', str(path))
        page.get_by_role("button", name="Add them").click()
        expect(page.locator(".lines .line")).to_contain_text("Stored")
        context.close()

    def test_a_visitor_without_an_account_is_asked_to_sign_in(self, browser, site):
        context = browser.new_context(base_url=site.url)
        page = context.new_page()
        page.goto("/import/")
        expect(page).to_have_url(re.compile("/login/"))
        context.close()


class TestBrowse:
    def test_it_works(self, page, filled):
        """Rows go on by themselves, every picture comes once, and nothing ever moves."""
        page.goto("/?sort=oldest")
        expect(page.locator(".rows .tile").nth(29)).to_be_attached()
        assert fits(page)
        for _ in range(120):
            page.mouse.wheel(0, 500)
            page.wait_for_timeout(100)
            if page.locator(".rows .tile").count() >= COUNT:
                break
        addresses = page.locator(".rows .tile").evaluate_all("tiles => tiles.map((t) => t.pathname)")
        assert len(addresses) >= COUNT
        assert len(set(addresses)) == len(addresses)
        assert page.evaluate(LAYOUT_SHIFTS) == []

    def test_nothing_is_shown_before_the_last_row_can_be_held_back(self, page, filled):
        """On a slow line the reader may be at the last row before the script is, and would see it jump."""

        def late(route):
            page.wait_for_timeout(700)
            route.continue_()

        page.route("**/rows.*.js", late)
        page.goto("/?sort=oldest")
        painted, came = page.evaluate(PAINTED_AND_CAME)
        assert painted >= came > 700

    def test_the_address_keeps_the_place(self, page, filled):
        """Far down, a reload or the way back from a picture leads to the same pictures."""
        page.goto("/?sort=oldest")
        for _ in range(120):
            page.mouse.wheel(0, 500)
            page.wait_for_timeout(100)
            if "after=" in page.url and page.locator(".rows .tile").count() >= 60:
                break
        place = int(re.search(r"after=(\d+)", page.url)[1])
        links = page.locator(".rows .tile").evaluate_all("tiles => tiles.map((tile) => tile.pathname)")
        shown = sorted(int(link.split("/")[2]) for link in links)
        following = next(pk for pk in shown if pk > place)  # the next number may be in the trash
        page.reload()
        first = page.locator(".rows .tile").first
        expect(first).to_have_attribute("href", re.compile(f"/image/{following}/"))
        first.click()
        page.get_by_role("link", name="All pictures").click()
        expect(page.locator(".rows .tile").first).to_have_attribute("href", re.compile(f"/image/{following}/"))

    def test_rows_are_justified(self, browser, filled, viewport):
        context = browser.new_context(viewport=viewport, base_url=filled.url, java_script_enabled=False)
        page = context.new_page()
        page.goto("/?sort=oldest")
        boxes = page.locator(".rows .tile").evaluate_all(
            "tiles => tiles.map((t) => t.getBoundingClientRect()).map((b) => [b.top, b.left, b.right, b.height])"
        )
        rows: dict[int, list] = {}
        for box in boxes:
            rows.setdefault(round(box[0]), []).append(box)
        assert len(rows) > 3
        whole = list(rows.values())[:-1]
        for row in whole:
            assert max(b[3] for b in row) - min(b[3] for b in row) < 1.5
        right = [max(b[2] for b in row) for row in whole]
        assert max(right) - min(right) < 1.5
        context.close()

    def test_it_works_without_javascript(self, browser, filled, viewport):
        context = browser.new_context(viewport=viewport, base_url=filled.url, java_script_enabled=False)
        page = context.new_page()
        page.goto("/?sort=oldest")
        first = page.locator(".rows .tile").first.get_attribute("href")
        page.get_by_role("link", name="Next page").click()
        expect(page).to_have_url(re.compile(r"after=\d+"))
        assert page.locator(".rows .tile").first.get_attribute("href") != first
        context.close()

    def test_it_sorts(self, page, filled):
        for sort in ("newest", "oldest", "largest", "random"):
            page.goto("/")
            page.locator(f'.sorts a[href*="sort={sort}"]').click()
            expect(page).to_have_url(re.compile(f"sort={sort}"))
            expect(page.locator(".rows .tile").nth(29)).to_be_attached()

    def test_nothing_moves_while_it_comes_in_pieces(self, page, filled, web_site):
        """Over a slow line: what is painted early stays where it is."""
        body = re.sub('(href|src)="/', rf'\1="{filled.url}/', page.request.get("/?sort=oldest").text())
        page.goto(web_site.answer("/slow/", lambda asked: Reply(body.encode(), drip=0.02)))
        expect(page.locator(".rows .tile").nth(29)).to_be_attached()
        assert page.evaluate(LAYOUT_SHIFTS) == []
        page.errors.clear()  # scripts are not let in from another server


class TestImagePage:
    def test_it_works(self, page, filled):
        page.goto("/?sort=oldest")
        page.locator(".rows .tile").nth(1).click()
        expect(page.locator("h1")).to_be_visible()
        assert fits(page)
        picture = page.locator("main img").first
        expect(picture).to_be_visible()
        for wanted in ("360 × 480", "JPEG", "SHA-256"):
            expect(page.locator("main")).to_contain_text(wanted)
        page.locator(".strips").scroll_into_view_if_needed()
        strips = 4 if page.locator(".words .tag").count() else 3  # by tags, too, if it has any
        expect(page.locator(".strip .strip-row, .strip .nothing")).to_have_count(strips)  # no ghosts left
        page.locator(".strip").last.scroll_into_view_if_needed()

    def test_arrow_keys_go_on_and_back(self, page, filled):
        page.goto("/?sort=oldest")
        first, second = (page.locator(".rows .tile").nth(n).get_attribute("href") for n in (0, 1))
        page.goto(first)
        page.keyboard.press("ArrowRight")
        expect(page).to_have_url(re.compile(re.escape(second.split("?")[0])))
        page.wait_for_load_state()
        page.keyboard.press("ArrowLeft")
        expect(page).to_have_url(re.compile(re.escape(first.split("?")[0])))

    def test_the_original_is_downloaded_as_it_came(self, page, filled):
        page.goto("/?sort=oldest")
        page.locator(".rows .tile").first.click()
        with page.expect_download() as download:
            page.locator('a[href$="/original/"]').first.click()
        assert download.value.suggested_filename == "000.jpg"
        assert download.value.path().read_bytes() == encode(photo(0, 480, 360))

    def test_a_picture_goes_to_the_trash_and_comes_back(self, page, filled):
        page.goto("/?sort=oldest")
        path = page.locator(".rows .tile").nth(2).get_attribute("href").split("?")[0]
        page.goto(path)
        page.locator(f'form[action^="{path}trash/"] button').click()
        page.get_by_role("button", name="Undo").click()
        expect(page).to_have_url(re.compile(re.escape(path)))
        for _ in range(40):
            page.goto("/?sort=oldest")
            if page.locator(f'.rows a[href^="{path}"]').count():
                break
            page.wait_for_timeout(250)
        expect(page.locator(f'.rows a[href^="{path}"]')).to_have_count(1)


class TestReverseSearch:
    def test_it_works(self, page, filled, tmp_path):
        """By a file: the mirrored copy is found, with its evidence."""
        path = tmp_path / "mirrored.jpg"
        path.write_bytes(encode(ImageOps.mirror(photo(12, 480, 360)).resize((240, 180))))
        page.goto("/search/")
        page.set_input_files('input[name="picture"]', str(path))
        expect(page).to_have_url(re.compile("/search/q/"))
        same = page.locator(".grade-1")
        expect(same).to_contain_text("mirrored")
        expect(same).to_contain_text("certain")
        assert fits(page)

    def test_a_pasted_picture_is_searched_on_any_page(self, page, filled):
        page.goto("/?sort=oldest")
        page.evaluate(PASTE, a_file("image.png", encode(photo(0, 480, 360), "PNG"), "image/png"))
        expect(page).to_have_url(re.compile("/search/q/"))
        expect(page.locator(".grade-1 a").first).to_have_attribute("href", re.compile("/image/"))

    def test_a_dropped_picture_is_searched(self, page, filled):
        page.goto("/?sort=oldest")
        page.evaluate(DROP, [a_file("dropped.jpg", encode(photo(8, 480, 360), quality=30))])
        expect(page).to_have_url(re.compile("/search/q/"))
        expect(page.locator(".grade-1")).to_be_visible()

    def test_what_is_no_picture_is_explained(self, page, filled):
        page.goto("/")
        page.evaluate(DROP, [a_file("note.jpg", b"only text")])
        expect(page.get_by_role("alert").first).to_be_visible()
        page.errors.clear()  # the browser writes the 415 to its console
        expect(page).to_have_url(re.compile("/$"))

    def test_the_query_is_deleted(self, page, filled):
        page.goto("/")
        page.evaluate(PASTE, a_file("image.png", encode(photo(3), "PNG"), "image/png"))
        expect(page).to_have_url(re.compile("/search/q/"))
        address = page.url
        page.get_by_role("button", name="Delete it now").click()
        expect(page).to_have_url(re.compile("/search/$"))
        assert page.goto(address).status == 404
        page.errors.clear()

    def test_it_starts_from_a_picture_of_the_gallery(self, page, filled):
        page.goto("/?sort=oldest")
        page.locator(".rows .tile").first.click()
        page.locator('main a[href*="/search/like/"]').first.click()
        expect(page).to_have_url(re.compile("/search/like/"))
        assert fits(page)

    def test_colours_are_searched(self, page, filled):
        page.goto("/search/colours/?c=3366cc")
        assert fits(page)
        expect(page.locator("h1")).to_contain_text("colour")

    def test_it_works_without_javascript(self, browser, filled, viewport, tmp_path):
        path = tmp_path / "query.jpg"
        path.write_bytes(encode(photo(16, 480, 360), quality=40))
        context = browser.new_context(viewport=viewport, base_url=filled.url, java_script_enabled=False)
        page = context.new_page()
        page.goto("/search/")
        page.set_input_files('input[name="picture"]', str(path))
        page.get_by_role("button", name="Search with it").click()
        expect(page.locator(".grade-1")).to_be_visible()
        context.close()


def test_every_page_fits_and_keeps_the_content_policy(page, filled):
    for path in ("/", "/search/", "/search/colours/", "/import/", "/admin/", "/login/", "/nowhere/"):
        if page.goto(path).status == 404:
            page.errors.clear()
        assert fits(page) or path == "/admin/"
        assert page.title()
        assert page.errors == [], path
