"""Flickr, by its API: a search, a person, an album, a group or one photo, in the best size that it gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from ingestion.download import DownloadError, Web
from ingestion.sources._answers import goes_on_without, inside, not_understood, object_of, objects_in
from ingestion.sources._base import Crawler, Found, Options, Page, SourceError, What
from ingestion.sources._flickr_photos import EXTRAS, RESERVED, Licences, found_of, in_list_form
from ingestion.sources._news import News
from ingestion.sources._words import pixels

API = "https://api.flickr.com/services/rest/"
SITE = "https://www.flickr.com"
A_PAGE = 250
"""Photos. Searches are not paged by number: Flickr repeats itself after 4,000 photos, and new ones would shift it."""
HOSTS = {"flickr.com", "www.flickr.com", "m.flickr.com"}
SHORT_HOSTS = {"flic.kr", "www.flic.kr"}
STATIC = re.compile(r"(?:live|farm\d+|c\d+)\.static\.?flickr\.com")
STATIC_FILE = re.compile(r"(?:/\w+)*/\d+/(\d+)_[0-9a-f]+(?:_\w{1,2})?\.\w{3,4}")
"""/{server}/{id}_{secret}_{size}.jpg"""
BASE58 = "123456789abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"
PLACES = (
    ("album", re.compile(r"/photos/[^/]+/(?:albums|sets)/(\d+)")),
    ("photo", re.compile(r"/photos/[^/]+/(\d+)")),
    ("group", re.compile(r"/groups/([^/]+)")),
    ("person", re.compile(r"/(?:photos|people)/([^/]+)")),
)
SHORT = {"p": "photo", "s": "album"}
NSID = re.compile(r"\d{1,12}@N\d{2}")
BUSY = {"0": 3600, "10": 600, "105": 600, "106": 600, "201": 600}
"""{code of an error that passes by itself: seconds}"""
Read = tuple[list[dict[str, Any]], dict[str, Any]]
"""(photos in the words of Flickr, Page.since)"""


class FlickrOptions(Options):
    address = forms.URLField(
        required=False,
        assume_scheme="https",
        max_length=500,
        help_text="Of a person, an album, a group or a photo: https://www.flickr.com/photos/NAME/",
    )
    words = forms.CharField(required=False, max_length=200, help_text="Instead of an address: what to search for.")
    tags = forms.CharField(
        required=False, max_length=500, help_text="Instead of an address: tags, with commas; all have to be there."
    )
    only_free = forms.BooleanField(required=False, help_text="Leave out what has all rights reserved.")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        if bool(cleaned["words"] or cleaned["tags"]) == bool(cleaned["address"]):
            raise ValidationError("Give either an address of Flickr or words or tags to search for.")
        if cleaned["tags"].count(",") >= 20:
            self.add_error("tags", "Flickr searches for at most 20 tags at once.")
        if cleaned["address"] and place_of(cleaned["address"]) is None:
            self.add_error("address", "This is not the address of a person, an album, a group or a photo of Flickr.")
        return cleaned


class Flickr(Crawler):
    kind = "flickr"
    label = "Flickr"
    about = "Public photos of Flickr, with author and licence; it needs a key of the Flickr API."
    options = FlickrOptions

    def missing(self) -> str:
        return "" if settings.FLICKR_KEY else "LOOKALIKE_FLICKR_KEY is not set; Flickr gives keys for its API."

    def crawl(self, options: dict[str, Any], since: dict[str, Any], web: Web) -> Iterator[Page]:
        if self.missing():
            raise SourceError(self.missing(), pauses=True)
        what, name = place_of(options.get("address", "")) or ("search", "")
        pages = {"photo": _photo, "album": _album, "group": _group, "person": _person}
        licences = Licences(partial(_ask, web))
        for photos, then in pages[what](web, name, since) if name else _search(web, options, since):
            found = [found_of(photo, licences, SITE) for photo in photos]
            if options.get("only_free"):
                found = [one for one in found if one.licence not in ("", RESERVED)]
            yield Page(found, then)


CRAWLER = Flickr()


def place_of(url: str) -> tuple[str, str] | None:
    """(photo | album | group | person, its id or what its address calls it); None if it is no such place."""
    parts = urlsplit(url)
    if parts.hostname in SHORT_HOSTS:
        _, kind, short, *_ = [*parts.path.split("/"), "", ""]
        number = from_base58(short)
        return (SHORT[kind], str(number)) if kind in SHORT and number else None
    if STATIC.fullmatch(parts.hostname or "") and (match := STATIC_FILE.fullmatch(parts.path)):
        return "photo", match[1]
    if parts.hostname in HOSTS:
        for kind, pattern in PLACES:
            if match := pattern.match(parts.path):
                return kind, match[1]
    return None


def resolve(url: str, web: Web, published: Any = None) -> list[Found] | None:
    """What an address of Flickr in a post elsewhere stands for, in its best size; None if that cannot be told.
    ``published``: the post, in seconds since 1970."""
    what, number = place_of(url) or ("", "")
    if what != "photo" or not settings.FLICKR_KEY:
        return None
    ask = partial(_ask, web)
    try:
        return [found_of(photo, Licences(ask), SITE) for photos, _ in _photo(web, number, {}) for photo in photos]
    except UnknownPlace:
        return [Found(url, page=url, what=What.REMOVED, key=number)]
    except (DownloadError, SourceError) as error:
        if not goes_on_without(error, published):  # whoever is crawled cannot help it if Flickr refuses our key
            raise
    return None


def from_base58(short: str) -> int:
    """The id at the end of https://flic.kr/p/...; 0 if it is none."""
    number = 0
    for letter in short if len(short) <= 12 else "":
        if letter not in BASE58:
            return 0
        number = number * 58 + BASE58.index(letter)
    return number


def _search(web: Web, asked: dict[str, Any], since: dict[str, Any]) -> Iterator[Read]:
    """Newest first. Each page begins at the time where the one before has ended; ``at_end`` are the photos that it
    had of that very second."""
    news, before, at_end = News(since), since.get("before"), list(since.get("at_end", []))
    wanted = {"text": asked.get("words"), "tags": asked.get("tags"), "user_id": asked.get("user_id")}
    wanted = {name: value for name, value in wanted.items() if value}
    while True:
        told = _ask(
            web,
            "photos.search",
            **wanted,
            tag_mode="all" if "tags" in wanted else None,
            sort="date-posted-desc",
            max_upload_date=before,
            min_upload_date=int(news.until.at) or None,
            per_page=A_PAGE,
            extras=EXTRAS,
        )
        photos = _photos(told, "photos")
        times = [pixels(photo.get("dateupload")) for photo in photos]
        if not all(times):
            raise not_understood("Flickr", "there are photos without a date in it")
        fresh = [photo for photo in photos if str(photo["id"]) not in at_end]
        new = [photo for photo in fresh if news.brings(pixels(photo["dateupload"]), str(photo["id"]))]
        if not photos or pixels(inside(told, "photos", "pages")) <= 1:  # a page may be short and not the last one
            yield new, news.all_read()
            return
        last = min(times)
        same = [str(photo["id"]) for photo, time in zip(photos, times, strict=True) if time == last]
        before, at_end = (last, same) if fresh else (last - 1, [])
        yield new, news.to_go_on(before=before, at_end=at_end)


def _person(web: Web, name: str, since: dict[str, Any]) -> Iterator[Read]:
    number = since.get("person") or name
    if not NSID.fullmatch(number):
        number = _word(_ask(web, "urls.lookupUser", url=f"{SITE}/photos/{name}/"), "user", "id")
    for photos, then in _search(web, {"user_id": number}, since):
        yield photos, then | {"person": number}


def _group(web: Web, name: str, since: dict[str, Any]) -> Iterator[Read]:
    """Newest first, by the time at which a photo was added to the group."""
    number = since.get("group") or name
    if not NSID.fullmatch(number):
        number = _word(_ask(web, "urls.lookupGroup", url=f"{SITE}/groups/{name}/"), "group", "id")
    news, page = News(since), since.get("page", 1)
    while True:
        told = _ask(web, "groups.pools.getPhotos", group_id=number, page=page, per_page=A_PAGE, extras=EXTRAS)
        photos, page = _photos(told, "photos"), page + 1
        new = [photo for photo in photos if news.brings(pixels(photo.get("dateadded")), str(photo["id"]))]
        if news.reached or page > pixels(inside(told, "photos", "pages")):
            yield new, news.all_read() | {"group": number}
            return
        yield new, news.to_go_on(page=page, group=number)


def _album(web: Web, number: str, since: dict[str, Any]) -> Iterator[Read]:
    """In the order of its owner, so that news may be anywhere: read again as a whole when it has changed."""
    changed = _word(_ask(web, "photosets.getInfo", photoset_id=number), "photoset", "date_update")
    if since.get("changed") == changed:
        return
    page = since.get("page", 1) if since.get("reads") == changed else 1  # changed since: all pages are others
    while True:
        told = _ask(web, "photosets.getPhotos", photoset_id=number, page=page, per_page=A_PAGE, extras=EXTRAS)
        owner = {"owner": inside(told, "photoset", "owner"), "ownername": inside(told, "photoset", "ownername")}
        photos, page = [owner | photo for photo in _photos(told, "photoset")], page + 1
        if page > pixels(inside(told, "photoset", "pages")):
            yield photos, {"changed": changed}
            return
        yield photos, {"page": page, "reads": changed}


def _photo(web: Web, number: str, since: dict[str, Any]) -> Iterator[Read]:
    """One, once."""
    if since.get("read"):
        return
    told = inside(_ask(web, "photos.getInfo", photo_id=number), "photo")
    sizes = objects_in(_ask(web, "photos.getSizes", photo_id=number), "sizes", "size")
    if not isinstance(told, dict) or sizes is None:
        raise not_understood("Flickr", "there is no photo in it")
    yield [in_list_form(told, sizes)], {"read": True}


def _photos(told: dict[str, Any], where: str) -> list[dict[str, Any]]:
    photos = objects_in(told, where, "photo")
    if photos is None:
        raise not_understood("Flickr", "there is no list of photos in it")
    if not all(photo.get("id") for photo in photos):
        raise not_understood("Flickr", "there are photos without an id in it")
    return photos


def _word(told: dict[str, Any], *path: str) -> str:
    word = inside(told, *path)
    if not isinstance(word, str | int) or not str(word):
        raise not_understood("Flickr", f"there is no {path[-1]} in it")
    return str(word)


def _ask(web: Web, method: str, **params: Any) -> dict[str, Any]:
    sent = {"method": f"flickr.{method}", "api_key": settings.FLICKR_KEY, "format": "json", "nojsoncallback": 1}
    told = object_of(web.page(API, params=sent | params), "Flickr")
    if told.get("stat") == "fail":
        raise _refusal(str(told.get("code", "")), method)
    if told.get("stat") != "ok":
        raise not_understood("Flickr", "it does not say whether it has worked")
    return told


class UnknownPlace(SourceError):
    pass


def _refusal(code: str, method: str) -> SourceError:
    if code in BUSY:
        return SourceError("Flickr cannot answer at the moment.", again_after=BUSY[code])
    if code == "100":
        return SourceError("Flickr refuses the key of its API: see LOOKALIKE_FLICKR_KEY.", pauses=True)
    if code in ("1", "2", "4", "5"):
        return UnknownPlace("Flickr does not know this place, or does not show it to everybody.", pauses=True)
    return SourceError(f"Flickr refuses to answer (error {code or 'without a number'} of {method}).", pauses=True)
