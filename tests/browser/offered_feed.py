"""Sixty things that a feed offers: what is in each, and what should come of it."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from PIL import Image, ImageDraw, ImageFilter

from tests.pictures import encode, photo
from tests.sites.site import Reply, Site

SMALL = (240, 180)
"""Pixels. The rules of the source let them pass."""
FIRST = 52_000
"""Seeds of pictures that no other test draws."""
CLEAN, SOFT, MARKED, ODD, TINY = 34, 6, 4, 3, 3


@dataclass(frozen=True)
class Offer:
    name: str
    body: bytes = b""
    becomes: str = "waiting"
    more: str = ""
    """Inside its item."""
    kind: str = "image/jpeg"
    status: int = 200


def drawn(number: int) -> Image.Image:
    return photo(FIRST + number, *SMALL)


def marked(number: int) -> Image.Image:
    image = photo(FIRST + 300 + number, *SMALL).copy()
    ImageDraw.Draw(image).text((30, 70), "SAMPLE", fill="white", font_size=48)
    return image


def odd(number: int) -> Image.Image:
    """No photograph: a few lines on paper."""
    image = Image.new("RGB", SMALL, (250 - 20 * number, 240, 200 + 20 * number))
    draw = ImageDraw.Draw(image)
    for step in range(6):
        draw.line((10, 20 + 25 * step, 230, 30 + 13 * step * (number + 1)), fill="navy", width=2 + number)
    return image


def sixty() -> list[Offer]:
    """Some of each kind are among the first 20, which a test of the source shows."""
    clean = [Offer(f"clean {n}", encode(drawn(n))) for n in range(CLEAN)]
    soft = [Offer(f"soft {n}", encode(drawn(100 + n).filter(ImageFilter.GaussianBlur(2)))) for n in range(SOFT)]
    known = [
        Offer("gallery, the same bytes", encode(photo(0, 480, 360)), "known"),
        Offer("gallery, smaller", encode(photo(4, 480, 360).resize((240, 180))), "known"),
        Offer("gallery, encoded anew", encode(photo(8, 480, 360), quality=50), "known"),
    ]
    twins = [
        Offer("twin, the same bytes", clean[0].body, "known"),
        Offer("twin, encoded anew", encode(drawn(1), quality=50), "known"),
        Offer("twin, smaller", encode(drawn(2).resize((160, 120))), "known"),
    ]
    left = [
        Offer("a film", becomes="left", kind="video/mp4"),
        Offer("for adults", encode(drawn(200)), "left", "<media:rating>adult</media:rating>"),
        Offer("said to be tiny", becomes="left", more='<media:content url="{url}" width="9" height="9"/>'),
    ]
    strange = [Offer(f"marked {n}", encode(marked(n))) for n in range(MARKED)]
    strange += [Offer(f"odd {n}", encode(odd(n))) for n in range(ODD)]
    tiny = [Offer(f"tiny {n}", encode(drawn(210 + n).resize((60, 45))), "rejected") for n in range(TINY)]
    first = [*clean[:6], *soft[:4], *known, *left, *tiny, Offer("gone", becomes="failed", status=404)]
    return [*first, *clean[6:], *soft[4:], *strange, *twins]


def count(offers: list[Offer], state: str) -> int:
    return sum(offer.becomes == state for offer in offers)


def lay_out(site: Site, offers: list[Offer]) -> str:
    """The feed, and what it points at. Returns its address."""
    items = []
    for number, offer in enumerate(offers):
        ending = "mp4" if offer.kind.startswith("video") else "jpg"
        url = site.put(f"/mine/{offer.name}.{ending}".replace(" ", "-"), offer.body, offer.kind, status=offer.status)
        items.append(
            f"<item><guid>{escape(offer.name)}</guid><title>{escape(offer.name)}</title><link>{site.url}/post/{number}</link>"
            f'<enclosure url="{url}" type="{offer.kind}"/>{offer.more.format(url=url)}</item>'
        )
    head = '<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/"><channel><title>Sixty</title>'
    body = f"{head}{''.join(items)}</channel></rss>".encode()
    return site.answer("/mine.rss", lambda asked: Reply(body, "application/rss+xml"))
