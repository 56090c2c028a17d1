"""OpenGameArt, and sites that run on the same pages: works with their files, author, licences and tags.

There is no API. The marks below are those of its pages (Drupal 7); where they are missing, the site is another one by
now, and the source is paused instead of being taken for empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from django import forms

from ingestion.archives import is_archive_name
from ingestion.download import DownloadError, decoded
from ingestion.folders import EXTENSIONS
from ingestion.sources._base import Crawler, Found, Options, Page, SourceError, What
from ingestion.sources._robots import LONGEST_DELAY, Robots
from ingestion.sources._words import AUTHOR, LICENCE, NAME, TITLE, file_name, line

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

    from ingestion.download import Web

SITE = "https://opengameart.org"
LIST = "/art-search-advanced"
KINDS = [("9", "2D art"), ("14", "textures"), ("7273", "concept art"), ("10", "3D art")]
LICENCES = [
    ("4", "CC0"),
    ("2", "CC-BY 3.0"),
    ("17981", "CC-BY 4.0"),
    ("3", "CC-BY-SA 3.0"),
    ("17982", "CC-BY-SA 4.0"),
    ("10310", "OGA-BY 3.0"),
    ("31772", "OGA-BY 4.0"),
    ("5", "GPL 2.0"),
    ("6", "GPL 3.0"),
    ("7", "LGPL 2.1"),
    ("8", "LGPL 3.0"),
]
PREVIEWS = [("instead", "where no picture is attached"), ("always", "always"), ("never", "never")]
REMEMBERED = 5
"""Works at the top of the list: where one of them is met again, the rest is known. Some may be removed meanwhile."""
MOST_TAGS = 40

WORKS = ".view-art, .view-display-id-search_art_advanced"
WORK = ".art-preview-title a, .view-mode-art_preview .field-name-title a"
NEXT = ".pager-next a, .pager__item--next a"
FILES, PREVIEW = ".field-name-field-art-files", ".field-name-field-art-preview"
LICENCE_OF, TAGS = ".field-name-field-art-licenses", ".field-name-field-art-tags"
STYLE = re.compile(r"/styles/[^/]+/public/")
DAY = re.compile(r"([A-Z][a-z]+ \d{1,2}, \d{4})(?: - (\d{1,2}:\d\d))?")


class OpenGameArtOptions(Options):
    site = forms.URLField(required=False, assume_scheme="https", help_text=f"If it is another one than {SITE}.")
    words = forms.CharField(required=False, max_length=200, help_text="That the works are about; empty: all.")
    kinds = forms.MultipleChoiceField(choices=KINDS, required=False, initial=["9"], help_text="None: all.")
    licences = forms.MultipleChoiceField(choices=LICENCES, required=False, help_text="None: all.")
    previews = forms.ChoiceField(
        choices=PREVIEWS, required=False, help_text="Pictures that only show what is attached."
    )

    def clean_site(self) -> str:
        return str(self.cleaned_data["site"]).rstrip("/")

    def clean_previews(self) -> str:
        return self.cleaned_data["previews"] or PREVIEWS[0][0]


class OpenGameArtCrawler(Crawler):
    kind = "opengameart"
    label = "OpenGameArt"
    about = "Works of OpenGameArt.org, the newest first: attached pictures and archives, with author and licences."
    options = OpenGameArtOptions

    def crawl(self, options: dict[str, Any], since: dict[str, Any], web: Web) -> Iterator[Page]:
        """A page for each work.

        ``since``: {"page": of the list, "after": the last work told, "top": of the list when this crawl began,
        "known": the same of the last one that came to its end}; works are called by the end of their address.
        """
        site, robots = options.get("site") or SITE, Robots(web)
        if not robots.may(site + LIST):
            raise SourceError(
                f"{site} does not want its list of works to be read by programs (robots.txt).", pauses=True
            )
        number, after = since.get("page", 0), since.get("after", "")
        top, known = since.get("top", []), since.get("known", [])
        while True:
            works = _list(_ask(web, site, options, number), first=number == 0)
            top = top or works.names[:REMEMBERED]
            for name in works.behind(after):
                if name in known:
                    works.goes_on = False
                    break
                here = {"page": number, "after": name, "top": top, "known": known}
                url = f"{site}/content/{name}"
                yield Page(_work(web, url, options) if robots.may(url) else [], here)
            if not works.goes_on:
                yield Page([], {"known": top})
                return
            number, after = number + 1, ""


def _ask(web: Web, site: str, options: dict[str, Any], number: int) -> LexborHTMLParser:
    params = {
        "keys": options.get("words") or "",
        "field_art_type_tid[]": options.get("kinds") or None,
        "field_art_licenses_tid[]": options.get("licences") or None,
        "sort_by": "created",
        "sort_order": "DESC",
        "items_per_page": 24,
        "page": number or None,
    }
    return _read(web, site + LIST, params)


def _read(web: Web, url: str, params: dict[str, Any] | None = None) -> LexborHTMLParser:
    from selectolax.lexbor import LexborHTMLParser

    answer = web.page(url, params=params, patience=LONGEST_DELAY)
    return LexborHTMLParser(answer.text if answer else "")


@dataclass
class Works:
    """A page of the list."""

    names: list[str]
    goes_on: bool

    def behind(self, name: str) -> list[str]:
        """All of them if it is not among them: it has moved to the next page, because there is news."""
        return self.names[self.names.index(name) + 1 :] if name in self.names else self.names


def _list(html: LexborHTMLParser, first: bool) -> Works:
    """SourceError if it is no list, or the first page of one without works: nobody searches for nothing."""
    if html.css_first(WORKS) is None:
        raise _changed("The list of works", ".view-art")
    links = [node.attributes.get("href") or "" for node in html.css(WORK)]
    paths = [urlsplit(link).path for link in links]
    names = list(dict.fromkeys(path.rpartition("/")[2] for path in paths if path.startswith("/content/")))
    if html.css_first(".views-row, .view-mode-art_preview") and not names:
        raise _changed("A work in the list of works", ".art-preview-title")
    if first and not names:
        raise SourceError(
            "The list of works is empty: nothing fits these words, kinds and licences, or the site has changed.",
            pauses=True,
        )
    return Works(names, bool(names) and html.css_first(NEXT) is not None)


def _changed(what: str, mark: str) -> SourceError:
    return SourceError(
        f"{what} was not found in the page (no {mark}): the site has changed, and its source file has to follow.",
        pauses=True,
    )


# --- one work
def _work(web: Web, url: str, options: dict[str, Any]) -> list[Found]:
    """Its files; none if it was removed meanwhile."""
    try:
        html = _read(web, url)
    except DownloadError as error:
        if error.code in ("not_found", "gone"):
            return []
        raise
    work = html.css_first(".view-mode-full") or html.root
    licences = [_text(node) for node in work.css(f"{LICENCE_OF} .license-name")] if work else []
    if work is None or not licences:
        raise _changed(f"The licence of {url}", ".license-name")
    if work.css_first(f"{FILES}, {PREVIEW}") is None:
        raise _changed(f"Any file of {url}", FILES)
    about = _about(work, url, licences)
    return [_found(file, about) for file in _files(work, url, options.get("previews", ""))]


def _files(work: LexborNode, url: str, previews: str) -> list[str]:
    """Those that pictures can come of."""
    files = [_file(node, url) for node in work.css(f"{FILES} a[href]")]
    attached = [file for file in files if _is_picture(file) or _is_archive(file)]
    if previews == "always" or (previews != "never" and not any(map(_is_picture, attached))):
        shown = [_preview(node, url) for node in work.css(f"{PREVIEW} .field-item")]
        attached += [file for file in shown if _is_picture(file)]
    return list(dict.fromkeys(attached))


def _file(node: LexborNode, page: str) -> str:
    return urljoin(page, node.attributes.get("href") or "")


def _preview(node: LexborNode, page: str) -> str:
    """The picture behind it, else the one that is shown, without the style that makes it small; "": a sound."""
    link, shown = node.css_first("a[href]"), node.css_first("img[src]")
    address = (link.attributes.get("href") if link else "") or ""
    if not _is_picture(address):
        address = (shown.attributes.get("src") if shown else "") or ""
    parts = urlsplit(urljoin(page, address))
    return parts._replace(path=STYLE.sub("/", parts.path), query="").geturl() if address else ""


def _is_picture(url: str) -> bool:
    return bool(re.search(rf"(?:{'|'.join(map(re.escape, EXTENSIONS))})$", urlsplit(url).path, re.IGNORECASE))


def _is_archive(url: str) -> bool:
    """Of those that can be read here."""
    path = urlsplit(url).path.lower()
    return is_archive_name(path) and not path.endswith((".7z", ".cb7"))


def _about(work: LexborNode, url: str, licences: list[str]) -> Found:
    """What is the same for all files of a work."""
    author = work.css_first(".field-name-author-submitter .username, .field-name-author-submitter a")
    notice = work.css_first(".field-name-field-copyright-notice .field-item")
    tags = [line(_text(node), 100) for node in work.css(f"{TAGS} a")][:MOST_TAGS]
    more: dict[str, Any] = {"tags": tags, "licences": [line(licence, 100) for licence in licences]}
    if notice:
        more["attribution"] = line(_text(notice), TITLE)
    return Found(
        url="",
        page=decoded(url),
        title=line(_text(work.css_first(".field-name-title")), TITLE),
        author=line(_text(author), AUTHOR),
        licence=line(", ".join(dict.fromkeys(licences)), LICENCE),
        published=_published(_text(work.css_first(".field-name-post-date .field-item"))),
        more=more,
    )


def _found(url: str, about: Found) -> Found:
    what = What.PICTURE if _is_picture(url) else What.ARCHIVE
    return replace(about, url=decoded(url), name=line(file_name(url), NAME), what=what)


def _text(node: LexborNode | None) -> str:
    return node.text(separator=" ", strip=True) if node else ""


def _published(words: str) -> datetime | None:
    """ "Monday, March 8, 2010 - 04:05", without a zone."""
    if found := DAY.search(words):
        try:
            return datetime.strptime(f"{found[1]} {found[2] or '0:00'}", "%B %d, %Y %H:%M").replace(tzinfo=UTC)
        except ValueError:
            return None
    return None


CRAWLER = OpenGameArtCrawler()
