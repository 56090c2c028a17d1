"""Any gallery on the web: lists of pictures, the pages behind them, and where the next list is.

Most sites need no more than the address of a list. Where the usual signs do not serve, CSS rules say which links lead
to pictures, what is the picture on a page, and who made it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django import forms

from ingestion.sources._base import Crawler, Options, Page
from ingestion.sources._fields import WebAddressField
from ingestion.sources._walk import LINKS, LONGEST_ADDRESS, Walk

if TYPE_CHECKING:
    from ingestion.download import Web

RULES = ("links", "images", "next", "title", "author", "licence")
DEPTHS = [
    ("0", "the pictures are on the list itself"),
    ("1", "each link of the list leads to pictures"),
    ("2", "each link leads to another list"),
]


class PageOptions(Options):
    address = WebAddressField(
        max_length=LONGEST_ADDRESS,
        help_text="Of a list of pictures, the newest first, or of a sitemap.",
    )
    sitemap = forms.BooleanField(required=False, help_text="Take the pages from the sitemap of this site instead.")
    contains = forms.CharField(required=False, max_length=200, help_text="Only links that contain this: /photo/")
    depth = forms.ChoiceField(choices=DEPTHS, required=False, initial="1")
    pages = forms.IntegerField(
        required=False, min_value=1, max_value=1000, help_text="Asked in one crawl, at most. Usually 50."
    )
    links = forms.CharField(required=False, max_length=300, help_text=f"CSS rule. Usually: {LINKS}")
    images = forms.CharField(required=False, max_length=300, help_text="CSS rule. Usually: linked files, or the best.")
    next = forms.CharField(required=False, max_length=300, help_text="CSS rule of the link to the next list.")
    title = forms.CharField(required=False, max_length=300, help_text="CSS rule, on the page of a picture.")
    author = forms.CharField(required=False, max_length=300, help_text="CSS rule, on the page of a picture.")
    licence = forms.CharField(required=False, max_length=300, help_text="CSS rule, on the page of a picture.")

    def clean(self) -> dict[str, Any]:
        from selectolax.lexbor import LexborHTMLParser, SelectolaxError

        cleaned = super().clean() or {}
        for name in RULES:
            try:
                LexborHTMLParser("<p>").css(cleaned.get(name) or "p")
            except SelectolaxError:
                self.add_error(name, "This is not a CSS rule that can be understood.")
        return cleaned

    def clean_depth(self) -> int:
        return int(self.cleaned_data["depth"] or 1)

    def clean_pages(self) -> int:
        return self.cleaned_data["pages"] or 50


class PageCrawler(Crawler):
    kind = "page"
    label = "Web page"
    about = "The pictures of any gallery on the web that has lists of them, or a sitemap; robots.txt is kept to."
    options = PageOptions

    def crawl(self, options: dict[str, Any], since: dict[str, Any], web: Web) -> Iterator[Page]:
        """``since``: {"marks": which links are known, "places": how far the lists are read,
        the outermost first, "until" and "newest": days in a sitemap}."""
        return Walk(options, since, web).run()


CRAWLER = PageCrawler()
