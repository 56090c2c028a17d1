"""Imgur, by version 3 of its API: an album, a post of its gallery, a single picture, a tag, or a search."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from ingestion.download import Answer, DownloadError, Web
from ingestion.sources._answers import goes_on_without, inside, not_understood, object_of, objects_in
from ingestion.sources._base import Crawler, Found, Options, Page, SourceError, What
from ingestion.sources._marks import mark
from ingestion.sources._news import News
from ingestion.sources._words import AUTHOR, TITLE, address, file_name, line, moment, pixels

if TYPE_CHECKING:
    from gallery.originals import Incoming

API = "https://api.imgur.com/3"
SITE = "https://imgur.com"
FILES = "https://i.imgur.com"
LAST_PAGE = 200
"""Of a gallery: what is behind it has been seen long ago."""
SPARE = 10
"""Credits that are left to others on this machine's address, and to pictures inside posts."""
NAME = r"[A-Za-z0-9]{5,12}"
PLACES = (
    ("album", re.compile(rf"/a/(?:[^/]*-)?({NAME})/?")),
    ("post", re.compile(rf"/gallery/(?:[^/]*-)?({NAME})/?")),
    ("tag", re.compile(r"/t/(\w{1,100})/?")),
    ("post", re.compile(rf"/t/\w+/({NAME})/?")),
    ("tag_of_reddit", re.compile(r"/r/(\w{1,50})/?")),
    ("picture", re.compile(rf"/r/\w+/({NAME})/?")),
    ("picture", re.compile(rf"/({NAME})/?")),
    ("file", re.compile(rf"/(?:download/)?({NAME})\.([A-Za-z0-9]{{3,4}})/?")),
)
HOSTS = {"imgur.com", "www.imgur.com", "m.imgur.com", "i.imgur.com"}
THUMBNAILS = "sbtmlh"
"""Letters that Imgur puts behind an id of 5 or 7 for a smaller size."""
MOVES = {"gifv", "mp4", "webm", "gif"}


class ImgurOptions(Options):
    address = forms.URLField(
        required=False,
        assume_scheme="https",
        max_length=500,
        help_text="Of an album, a post, a picture or a tag: https://imgur.com/a/NAME, https://imgur.com/t/NAME",
    )
    words = forms.CharField(required=False, max_length=200, help_text="Instead of an address: what to search for.")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        if bool(cleaned["words"]) == bool(cleaned["address"]):
            raise ValidationError("Give either an address of Imgur or words to search for.")
        if cleaned["address"] and place_of(cleaned["address"]) is None:
            self.add_error("address", "This is not the address of an album, a post, a picture or a tag of Imgur.")
        return cleaned


class Imgur(Crawler):
    kind = "imgur"
    label = "Imgur"
    about = "Albums, posts, tags and searches of Imgur; it needs the id of an application of the Imgur API."
    options = ImgurOptions

    def missing(self) -> str:
        return "" if settings.IMGUR_ID else "LOOKALIKE_IMGUR_ID is not set; Imgur gives ids to applications."

    def crawl(self, options: dict[str, Any], since: dict[str, Any], web: Web) -> Iterator[Page]:
        if self.missing():
            raise SourceError(self.missing(), pauses=True)
        what, name = place_of(options.get("address", "")) or ("search", options.get("words", ""))
        if what in ("search", "tag", "tag_of_reddit"):
            yield from Api(web).gallery(what, name, since)
        else:
            found = Api(web).post("picture" if what == "file" else what, name)
            seen = mark(" ".join(sorted(one.key for one in found)))
            if seen != since.get("seen"):
                yield Page(found, {"seen": seen})

    def fetch(self, found: Found, options: dict[str, Any], web: Web, into: Incoming) -> Answer | None:
        return real(super().fetch(found, options, web, into))


CRAWLER = Imgur()


def real(answer: Answer | None) -> Answer | None:
    """DownloadError if Imgur has answered with the picture that says that there is none."""
    if answer and urlsplit(answer.url).path == "/removed.png":
        raise DownloadError("gone", "It was removed from Imgur.", status=answer.status)
    return answer


def place_of(url: str) -> tuple[str, str] | None:
    """(album | post | picture | file | tag | tag_of_reddit, its name); None if it is no place of Imgur."""
    parts = urlsplit(url)
    for kind, pattern in PLACES if parts.hostname in HOSTS else ():
        if match := pattern.fullmatch(parts.path):
            return kind, match[1]
    return None


def resolve(url: str, web: Web, published: Any = None) -> list[Found] | None:
    """What an address of Imgur in a post elsewhere stands for; None if it is none, [] if that cannot be told.
    ``published``: the post, in seconds since 1970.

    An album has to be asked for, which needs the id of an application; a file or a single picture does not.
    """
    place = place_of(url)
    if place is None or place[0].startswith("tag"):
        return None
    what, name = place
    if what == "file":
        return [_of_file(url, name)]
    try:
        if settings.IMGUR_ID:
            return Api(web).post(what, name)
    except (DownloadError, SourceError) as error:
        if isinstance(error, DownloadError) and error.code in ("not_found", "gone"):
            return [replace(_of_file(url, name), what=What.REMOVED)]
        if not goes_on_without(error, published):  # whoever is crawled cannot help it if Imgur refuses our id
            raise
    return [_of_file(url, name)] if what == "picture" else []


class Api:
    """For one crawl."""

    def __init__(self, web: Web) -> None:
        self.web = web
        self.spent: float | None = None
        """Seconds until there are credits again, once there are none."""

    def ask(self, path: str, **params: Any) -> Any:
        """What lies under "data"."""
        if self.spent is not None:
            raise SourceError("The credits that Imgur gives are spent.", again_after=self.spent)
        headers = {"Authorization": f"Client-ID {settings.IMGUR_ID}", "Accept": "application/json"}
        answer = self.web.page(f"{API}/{path}", params=params, headers=headers)
        told = object_of(answer, "Imgur")
        self.spent = _until_credits(answer.headers if answer else {})
        if told.get("success") is False:
            raise _refusal(pixels(told.get("status")))
        if not told.get("success") or "data" not in told:
            raise not_understood("Imgur", "it does not say whether it has worked")
        return told["data"]

    def gallery(self, what: str, name: str, since: dict[str, Any]) -> Iterator[Page]:
        """Newest first, page by page."""
        news, page = News(since), since.get("page", 0)
        while True:
            items = self._page(what, name, page)
            new = [item for item in items if news.brings(pixels(item.get("datetime")), str(item["id"]))]
            found = [one for item in new for one in self._of_item(item)]
            page += 1
            if not items or news.reached or page > LAST_PAGE:
                yield Page(found, news.all_read())
                return
            yield Page(found, news.to_go_on(page=page))

    def post(self, what: str, name: str) -> list[Found]:
        if what == "album":
            return self._of_album(_item(self.ask(f"album/{name}")))
        if what == "post":
            return self._of_item(_item(self.ask(f"gallery/{name}")))
        return [_of_image(_item(self.ask(f"image/{name}")))]

    def _page(self, what: str, name: str, page: int) -> list[dict[str, Any]]:
        if what == "search":
            return _items(self.ask(f"gallery/search/time/all/{page}", q=name))
        if what == "tag":
            return _items(inside(self.ask(f"gallery/t/{name}/time/all/{page}"), "items"))
        return _items(self.ask(f"gallery/r/{name}/time/all/{page}"))

    def _of_item(self, item: dict[str, Any]) -> list[Found]:
        if item.get("is_ad"):
            return []
        return self._of_album(item) if item.get("is_album") or "images" in item else [_of_image(item)]

    def _of_album(self, album: dict[str, Any]) -> list[Found]:
        """Lists show the first three pictures of an album only: the rest has to be asked for."""
        images = objects_in(album, "images")
        if images is None or len(images) < pixels(album.get("images_count")):
            images = self._rest_of(album, images or [])
        return [_of_image(image, album, position) for position, image in enumerate(images)]

    def _rest_of(self, album: dict[str, Any], shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """All its pictures; those that are shown if it is gone by now. One album does not hold up the others."""
        try:
            return _items(self.ask(f"album/{line(album['id'], 20)}/images"))
        except (DownloadError, SourceError) as error:
            if goes_on_without(error, album.get("datetime")):
                return shown
            raise


def _of_file(url: str, name: str) -> Found:
    file = urlsplit(url).path.rpartition("/")[2]
    kind = file.rpartition(".")[2].lower() if "." in file else "jpg"
    small = len(name) in (6, 8) and name[-1] in THUMBNAILS
    best = f"{FILES}/{name[:-1] if small else name}.{kind}"
    return Found(
        url=best,
        page=f"{SITE}/{name}",
        name=file_name(best),
        what=What.VIDEO if kind in MOVES else What.PICTURE,
        others=(f"{FILES}/{name}.{kind}",) if small else (),
        key=name[:-1] if small else name,
    )


def _of_image(image: dict[str, Any], album: dict[str, Any] | None = None, position: int = 0) -> Found:
    album = album or {}
    name, url = line(image.get("id"), 20), address(image.get("link"))
    if not name or not url:
        raise not_understood("Imgur", "there is a picture without an address in it")
    what = What.VIDEO if image.get("animated") or str(image.get("type")).startswith("video/") else What.PICTURE
    tags = [line(tag.get("name"), 100) for tag in objects_in(album or image, "tags") or []]
    return Found(
        url=url,
        page=f"{SITE}/a/{line(album.get('id'), 20)}" if album else f"{SITE}/{name}",
        name=file_name(url),
        title=line(image.get("title"), TITLE) or line(album.get("title"), TITLE),
        author=line(image.get("account_url"), AUTHOR) or line(album.get("account_url"), AUTHOR),
        width=pixels(image.get("width")),
        height=pixels(image.get("height")),
        published=moment(image.get("datetime")),
        what=What.REMOVED if urlsplit(url).path == "/removed.png" else what,
        over_18=bool(image.get("nsfw") or album.get("nsfw")),
        key=name,
        more={"tags": tags[:50], "text": line(image.get("description"), 1000), "position": position},
    )


def _item(told: Any) -> dict[str, Any]:
    return _items([told])[0]


def _items(told: Any) -> list[dict[str, Any]]:
    if not isinstance(told, list) or not all(isinstance(item, dict) and item.get("id") for item in told):
        raise not_understood("Imgur", "there is no list of pictures and albums in it")
    return told


def _until_credits(headers: dict[str, str]) -> float | None:
    """Seconds, if those of this machine or of the application are spent; None if there are some."""
    if pixels(headers.get("x-ratelimit-userremaining", SPARE + 1)) <= SPARE:
        return min(max(60.0, pixels(headers.get("x-ratelimit-userreset")) - time.time()), 86_400.0)
    return 3600.0 if pixels(headers.get("x-ratelimit-clientremaining", SPARE + 1)) <= SPARE else None


def _refusal(status: int) -> SourceError:
    """Imgur has answered, but says of itself that it has not worked."""
    if status in (401, 403):
        return SourceError("Imgur refuses the id of the application: see LOOKALIKE_IMGUR_ID.", pauses=True)
    if status in (404, 410):
        return SourceError("Imgur does not know this place, or it was removed.", pauses=True)
    return SourceError(f"Imgur cannot answer at the moment (status {status}).", again_after=600)
