"""Searches as feeds: what anybody may see of what a query means, newest first, as Atom and as JSON Feed.

A feed takes words to the letter, also where the page would ask a network what they mean: what is ranked by meaning has
no order of arrival, and a picture would come and go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.http.request import split_domain_port
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.feedgenerator import Atom1Feed, Enclosure
from django.utils.html import format_html
from django.utils.text import Truncator
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page, require_safe

from gallery.limits import limited, search_limit
from gallery.models import Image, ImageTag
from gallery.paging import CursorError
from search.compiling.facts import require_few_similar
from search.errors import QueryError
from search.forms import AnswerForm
from search.listing import Listing
from search.models import SavedSearch
from search.retrieval import only_meaning

ENTRIES = 60
LONGEST_TITLE = 200
JSON_FEED = "https://jsonfeed.org/version/1.1"
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot hold, not even escaped."""
NOT_FOLLOWED = "Only searches in words can be followed: what is like a picture has no order of arrival."


@require_safe
@cache_control(public=True, max_age=60)
@limited(search_limit)
@conditional_page
def feed(request: HttpRequest, kind: str) -> HttpResponse:
    return _answer(request, kind, request.GET, None)


@require_safe
@cache_control(private=True, max_age=60)
@limited(search_limit)
@conditional_page
def saved_feed(request: HttpRequest, kind: str, token: str) -> HttpResponse:
    """Whoever has the address may read it: readers of feeds cannot sign in."""
    search = get_object_or_404(SavedSearch.objects.alive(), token=token)
    if not search.is_in_words:
        return _refuse(kind, NOT_FOLLOWED, 404)
    params = QueryDict(search.query, mutable=True)
    params["after"] = request.GET.get("after", "")
    return _answer(request, kind, params, search)


def _answer(request: HttpRequest, kind: str, params: Mapping[str, str], saved: SavedSearch | None) -> HttpResponse:
    form = AnswerForm(params, reverse("search"), alone=True)
    wrong = [form.mistake.sentence] if form.mistake else form.sentences
    if not wrong and form.meaning and form.parsed.tree is None:
        wrong = [only_meaning(form.meaning.without[0])]
    if wrong:
        return _refuse(kind, " ".join(wrong), 400)
    try:
        page = _page(form)
    except (QueryError, CursorError) as error:
        return _refuse(kind, str(error), 400)
    return FORMATS[kind](Feed(request, form, saved, *page))


def _page(form: AnswerForm) -> tuple[list[Image], str]:
    """(pictures, cursor of those before them). ``sort:`` and ``limit:`` are for pages."""
    anybody = AnonymousUser()
    require_few_similar(form.parsed.tree, 0)
    listing = Listing(replace(form.parsed, sort="", limit=None), anybody)
    listing.images = listing.images.filter(form.filters.condition)
    return listing.page(form.after, ENTRIES)


def _refuse(kind: str, sentence: str, status: int) -> HttpResponse:
    if kind == "json":
        return JsonResponse({"detail": sentence}, status=status)
    return HttpResponse(sentence, status=status, content_type="text/plain; charset=utf-8")


@dataclass(frozen=True)
class Feed:
    """What both formats say."""

    request: HttpRequest
    form: AnswerForm
    saved: SavedSearch | None
    images: list[Image]
    after: str

    @property
    def title(self) -> str:
        named = self.saved.name if self.saved else ""
        asked = named or Truncator(self.form.written).chars(LONGEST_TITLE) or "Newest pictures"
        return f"{asked} · {settings.TITLE}"

    @property
    def page(self) -> str:
        """Where the search is shown."""
        return self.absolute(self.form.here if "?" in self.form.here else reverse("browse"))

    @property
    def address(self) -> str:
        return self.absolute(self.request.get_full_path())

    @property
    def next_address(self) -> str:
        """Of the pictures before these; "" if there are none."""
        params = self.request.GET.copy()
        params["after"] = self.after
        return self.absolute(f"{self.request.path}?{params.urlencode()}") if self.after else ""

    @property
    def updated(self) -> datetime:
        """Of an empty one, when it was saved, or today: the same all day, so that nobody reads it again for nothing."""
        if self.images:
            return max(image.added_at for image in self.images)
        return (
            self.saved.created_at
            if self.saved
            else datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        )

    @property
    def guid(self) -> str:
        if self.saved:
            return self.identity(f"saved/{self.saved.pk}")  # its token changes when it is shared no more
        return self.identity(f"search?{urlencode([*self.form.filters.params(), ('q', self.form.written)])}")

    @cached_property
    def tags(self) -> dict[int, list[str]]:
        """{image: names of its tags that are shown}"""
        found: dict[int, list[str]] = {image.pk: [] for image in self.images}
        rows = ImageTag.objects.filter(image__in=found, shown=True).order_by("tag__name")
        for pk, name in rows.values_list("image_id", "tag__name").distinct():
            found[pk].append(name)
        return found

    def absolute(self, address: str) -> str:
        return self.request.build_absolute_uri(address)

    def identity(self, what: str) -> str:
        """A tag URI (RFC 4151): of the same picture in this gallery always the same."""
        host, _ = split_domain_port(self.request.get_host())
        return f"tag:{host.strip('[]').replace(':', '-')},2026:{what}"


# --- Atom
class _Atom(Atom1Feed):
    """With a link to the page before (RFC 5005)."""

    def add_root_elements(self, handler: Any) -> None:
        super().add_root_elements(handler)
        if self.feed["next"]:
            handler.addQuickElement("link", "", {"href": self.feed["next"], "rel": "next"})


def _atom(feed: Feed) -> HttpResponse:
    made = _Atom(
        title=_clean(feed.title),
        link=feed.page,
        description="",
        feed_url=feed.address,
        feed_guid=feed.guid,
        next=feed.next_address,
    )
    made.latest_post_date = lambda: feed.updated  # type: ignore[method-assign] # not that of the clock
    for image in feed.images:
        made.add_item(
            title=_clean(_title(image)),
            link=feed.absolute(image.get_absolute_url()),
            description=_clean(_drawn(feed, image)),
            unique_id=feed.identity(f"image/{image.sha256}"),
            pubdate=image.added_at,
            updateddate=image.added_at,
            categories=[_clean(name) for name in feed.tags[image.pk]],
            enclosures=[_enclosure(feed, image)],
        )
    return HttpResponse(made.writeString("utf-8"), content_type="application/atom+xml; charset=utf-8")


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)


def _title(image: Image) -> str:
    return Truncator(image.alt).chars(LONGEST_TITLE)


def _drawn(feed: Feed, image: Image) -> str:
    """HTML for the reader of the feed."""
    shown, page = _shown(image), feed.absolute(image.get_absolute_url())
    return format_html(
        '<p><a href="{}"><img src="{}" width="{}" height="{}" alt="{}"></a></p><p>{}</p>',
        page,
        feed.absolute(shown.url),
        shown.width,
        shown.height,
        image.alt,
        image.alt,
    )


def _shown(image: Image) -> Any:
    """The rendition of 720 pixels, or the largest below."""
    return image.renditions[:2][-1]


def _enclosure(feed: Feed, image: Image) -> Enclosure:
    try:
        size = image.thumbnail.path.stat().st_size
    except OSError:
        size = 0  # being made
    return Enclosure(feed.absolute(image.thumbnail.url), str(size), "image/webp")


# --- JSON Feed
def _json(feed: Feed) -> HttpResponse:
    said = {
        "version": JSON_FEED,
        "title": feed.title,
        "home_page_url": feed.page,
        "feed_url": feed.address,
        "items": [_item(feed, image) for image in feed.images],
    }
    if feed.after:
        said["next_url"] = feed.next_address
    return JsonResponse(said, content_type="application/feed+json", json_dumps_params={"ensure_ascii": False})


def _item(feed: Feed, image: Image) -> dict[str, Any]:
    return {
        "id": feed.identity(f"image/{image.sha256}"),
        "url": feed.absolute(image.get_absolute_url()),
        "title": _title(image),
        "content_text": image.alt,
        "image": feed.absolute(_shown(image).url),
        "date_published": image.added_at.isoformat(),
        "tags": feed.tags[image.pk],
        "attachments": [{"url": feed.absolute(image.thumbnail.url), "mime_type": "image/webp"}],
    }


FORMATS: dict[str, Callable[[Feed], HttpResponse]] = {"atom": _atom, "json": _json}
