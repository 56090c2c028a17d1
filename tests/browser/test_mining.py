"""Mining from end to end in a real browser: a source is added, tried and crawled; lines, decisions, and what comes of
them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from gallery.pictures import decode
from ingestion.filters._base import Screened
from ingestion.filters.quality import FILTER as QUALITY
from ingestion.sources._base import Found
from tests.browser.galleries import Site
from tests.browser.offered_feed import Offer, count, drawn, lay_out, sixty
from tests.browser.test_pages import fits
from tests.pictures import encode
from tests.sites.site import Site as WebSite

pytestmark = pytest.mark.browser
NAME = "sixty"
QUEUE = f"/admin/moderation/?source={NAME}&sort=blur-high"
STATES = {"Waiting": "waiting", "Rejected": "rejected", "Failed": "failed", "Left out": "left", "Here already": "known"}
PATIENCE = 90_000
"""Milliseconds that the gallery may take for all of it, on a busy machine."""
JUDGED = """async (patience) => {
  for (const end = Date.now() + patience; Date.now() < end; await new Promise((done) => setTimeout(done, 250))) {
    const page = await (await fetch(location.href)).text();
    if (page.includes('class="candidate"') && !page.includes("being fetched and judged")) return true;
  }
  return false;
}"""
NO_PAUSE = "from ingestion.models import Server; Server.objects.create(host={!r}, pause=0)"
"""A server of our own need not be asked politely, once a second."""


@pytest.fixture
def blurs(tmp_path: Path) -> dict[str, float]:
    """{name: how blurred it is}, of all that will wait."""
    found = {}
    for offer in sixty():
        if offer.becomes == "waiting":
            path = tmp_path / "picture"
            path.write_bytes(offer.body)
            screened = Screened(decode(path), path, "", len(offer.body), Found(url=offer.name))
            found[offer.name] = QUALITY.judge(screened, {}).scores["blur"]
    return found


@pytest.fixture
def mine(page: Page, filled: Site, web_site: WebSite) -> Iterator[tuple[Page, list[Offer]]]:
    filled.run(NO_PAUSE.format(web_site.host))
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    yield page, sixty()
    expect.set_options(timeout=20_000)


def tab(page: Page, label: str) -> Locator:
    return page.locator("#moderation-bar a").filter(has_text=re.compile(f"^{label}")).locator(".count")


def wait_until_judged(page: Page) -> None:
    """By a page with few pictures on it: whoever asks for many keeps the worker from its work."""
    page.goto(f"/admin/moderation/?source={NAME}&state=left")
    assert page.evaluate(JUDGED, PATIENCE)


def test_it_works(mine, web_site, blurs, tmp_path):
    page, offers = mine
    feed = lay_out(web_site, offers)
    try_and_add(page, feed)
    judged_rightly(page, offers, blurs)
    line_moves(page, blurs)
    accepted, rejected = decide(page, blurs)
    accepted_are_found(page, accepted, tmp_path)
    rejected_stay_out(page, web_site, offers, rejected)


def try_and_add(page: Page, feed: str) -> None:
    page.goto("/admin/sources/")
    page.get_by_role("link", name=re.compile("^Feed")).click()
    page.get_by_label("Name", exact=True).fill(NAME)
    page.get_by_label("Address").fill(feed)
    page.locator("summary", has_text="Rules: size").click()
    page.get_by_label("Smallest area").fill("10000")
    page.get_by_role("button", name="Test it first").click()
    expect(page.locator(".trial > li")).to_have_count(20)
    expect(page.locator(".trial .outcome.pass")).to_have_count(6)
    expect(page.locator(".trial .outcome.hold")).to_have_count(4)
    expect(page.locator(".trial .outcome.reject")).to_have_count(6)  # three are here already, three are tiny
    expect(page.locator(".trial .outcome", has_text="left out")).to_have_count(3)
    expect(page.locator(".trial .outcome.failed")).to_have_count(1)
    assert fits(page)

    page.go_back()  # what was written is still there
    page.get_by_role("button", name="Add this source").click()
    expect(page.locator(".yield dd").first).to_have_text("0")  # the test has stored nothing
    page.get_by_role("button", name="Crawl now").click()
    expect(page.locator(".messages")).to_contain_text("is being crawled")


def judged_rightly(page: Page, offers: list[Offer], blurs: dict[str, float]) -> None:
    wait_until_judged(page)
    page.goto(QUEUE)
    for label, state in STATES.items():
        expect(tab(page, label)).to_have_text(str(count(offers, state)))
    assert fits(page)
    first = sorted(blurs, key=lambda name: -blurs[name])[:24]
    shown = page.locator(".candidate h2").all_inner_texts()
    assert [blurs[name] for name in shown] == [blurs[name] for name in first]
    bars = page.locator(".candidate .score").filter(has_text="Blur")
    values = [float(words) for words in bars.locator(".value-words").all_inner_texts()]
    assert values == [pytest.approx(blurs[name], abs=0.006) for name in shown]
    expect(page.locator(".candidate .score.beyond").filter(has_text="Blur")).to_have_count(6)


def line_moves(page: Page, blurs: dict[str, float]) -> None:
    page.goto(f"/admin/scores/of/blur/?source={NAME}")
    strong = page.locator(".counts strong")
    for line in (0.48, 0.25, 0.3):
        beyond = sum(blur > line for blur in blurs.values())
        page.locator("#slider").fill(str(line))
        expect(strong.nth(1)).to_have_text(str(beyond))
        expect(strong.nth(0)).to_have_text(str(len(blurs) - beyond))
    assert fits(page)
    page.get_by_role("button", name=f"Reject the {beyond} beyond").click()
    expect(page.locator(".messages")).to_contain_text(f"{beyond} rejected: Blur over 0.3, {NAME}.")
    event = page.locator(".event").first
    expect(event).to_contain_text(f"{beyond} pictures")
    event.get_by_role("button", name="Undo").click()
    expect(page.locator(".event").first).to_contain_text("undone")


def decide(page: Page, blurs: dict[str, float]) -> tuple[list[str], list[str]]:
    """By keys alone: the three that are blurred most are rejected, the four behind them accepted."""
    page.goto(QUEUE)
    expect(tab(page, "Waiting")).to_have_text(str(len(blurs)))  # all are back
    names = page.locator(".candidate h2").all_inner_texts()
    said = page.locator("#moderation-said")
    for keys, words in (
        (["j", "Shift+ArrowDown", "Shift+ArrowDown", "r", "Enter"], "Reject 3 pictures?"),
        (["Shift+ArrowDown", "Shift+ArrowDown", "Shift+ArrowDown", "a"], "Accept 4 pictures?"),
    ):
        for key in keys:
            page.keyboard.press(key)
        expect(said).to_contain_text(words)
        expect(said.locator("[autofocus]")).to_be_focused()
        page.keyboard.press("Enter")
        expect(said).to_contain_text(words.replace(" ", "ed ", 1).rstrip("?"))
        expect(page.locator(".candidate:focus")).to_have_count(1)  # the next one
    expect(tab(page, "Accepted")).to_have_text("4")
    return names[3:7], names[:3]


def accepted_are_found(page: Page, accepted: list[str], tmp_path: Path) -> None:
    name = next(name for name in accepted if name.startswith("clean"))
    body = next(offer.body for offer in sixty() if offer.name == name)
    path = tmp_path / "query.jpg"
    path.write_bytes(body)
    cards, title = page.locator(".card"), f'title:"{name}"'
    page.goto(f"/search/?{urlencode({'q': title})}")
    while not cards.count():  # a worker prepares it
        page.reload()
    expect(cards).to_have_count(1)
    address = str(cards.locator("a.open").get_attribute("href"))
    page.goto("/search/")
    page.set_input_files('input[name="picture"]', str(path))
    expect(page).to_have_url(re.compile("/search/q/"))
    expect(page.locator(".grade-1 a.open").first).to_have_attribute("href", address)


def rejected_stay_out(page: Page, web_site: WebSite, offers: list[Offer], rejected: list[str]) -> None:
    """The same things are offered again, and the rejected ones in other bytes under other names as well."""
    bodies = {offer.name: Image.open(BytesIO(offer.body)) for offer in offers if offer.name in rejected}
    again = [Offer(f"{name} again", encode(body, quality=60)) for name, body in bodies.items()]
    lay_out(web_site, [*again, Offer("one more", encode(drawn(250))), *offers])
    page.goto(QUEUE)
    waiting = int(tab(page, "Waiting").inner_text())
    page.goto(f"/admin/sources/of/{NAME}/")
    before = page.locator(".crawls tbody tr").count()  # two, if its time came before it was asked for by hand
    page.get_by_role("button", name="Crawl now").click()
    expect(page.locator(".crawls tbody tr")).to_have_count(before + 1)
    expect(page.locator(".crawls tbody tr").first.locator("td.number").last).to_have_text(str(len(again) + 1))
    wait_until_judged(page)
    page.goto(f"{QUEUE}&state=rejected")
    expect(tab(page, "Waiting")).to_have_text(str(waiting + 1))
    expect(tab(page, "Rejected")).to_have_text(str(count(offers, "rejected") + 2 * len(rejected)))
    expect(page.locator(".reason", has_text="It was rejected before: Does not fit")).to_have_count(len(again))
