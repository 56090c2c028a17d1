"""A small kind of source for tests: pages of JSON on the site of the test, each with what it offers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django import forms

from ingestion.download import Web
from ingestion.models import Source
from ingestion.sources import all_crawlers
from ingestion.sources._base import Crawler, Found, Options, Page, SourceError
from tests.pictures import encode, photo
from tests.sites.site import Asked, Reply, Site

KIND = "offering"
SIZE = (64, 48)
"""Pixels. The rules of the tests let them pass."""
RULES = {"size": {"least_pixels": 100}}


class OfferingOptions(Options):
    url = forms.CharField()


class Offering(Crawler):
    kind, label, about, options = KIND, "Offering", "What a test has laid out.", OfferingOptions

    def crawl(self, options: dict[str, Any], since: dict[str, Any], web: Web) -> Iterator[Page]:
        number = since.get("page", 0)
        while True:
            answer = web.page(options["url"], params={"page": str(number)})
            assert answer
            told = answer.json()
            if "error" in told:
                raise SourceError(told["error"], again_after=told.get("again_after"), pauses=told.get("pauses", False))
            if not told["found"]:
                return
            number += 1
            yield Page([Found.read(one) for one in told["found"]], {"page": number})


def register() -> None:
    all_crawlers()[KIND] = Offering()


@contextmanager
def offered(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Offer]:
    """The kind is known, and a server that has failed may be asked again at once."""
    monkeypatch.setattr("ingestion.pace.SharedPace.failed", lambda *asked: 0.0)
    register()
    yield Offer(site)
    del all_crawlers()[KIND]


class Offer:
    """What lies on the site: page after page, and the files."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.pages: list[list[dict[str, Any]]] = []
        self.next: list[dict[str, Any]] = []
        """Answered once, before the pages."""
        site.answer("/offer", self._answer)

    def _answer(self, asked: Asked) -> Reply:
        if self.next:
            return Reply(json=self.next.pop(0))
        number = int(asked.query["page"])
        return Reply(json={"found": self.pages[number] if number < len(self.pages) else []})

    def picture(self, seed: int, **more: Any) -> dict[str, Any]:
        """One thing on offer, whose file is there."""
        url = self.site.put(f"/{seed}.png", encode(photo(seed, *SIZE), "PNG"), "image/png")
        return {"url": url, "page": f"{self.site.url}/post/{seed}", "title": f"Picture {seed}", "author": "Ann"} | more

    def page(self, *seeds: int) -> None:
        self.pages.append([self.picture(seed) for seed in seeds])

    def source(self, **options: Any) -> Source:
        facts = {"name": "here", "kind": KIND, "options": {"url": f"{self.site.url}/offer"}, "rules": RULES}
        return Source.objects.create(**facts | options)
