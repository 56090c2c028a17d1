"""The parts of a page that Jinja2 draws: what strangers wrote stays text, and hidden pictures stay hidden."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.template import Context, Template
from django.test import Client
from django.utils import timezone
from jinja2 import UndefinedError

from gallery.jinja import drawn
from gallery.models import Image, User

EVIL = '<script>alert(1)</script> "\' onerror="x &amp;'
PICTURE = {"sha256": "ab" * 32, "name": "sea.jpg", "width": 1000, "height": 500, "state": "ready", "placeholder": b"1"}


class Seen(HTMLParser):
    """Names of elements and of their attributes, and all the words that a reader meets in either."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {tag, *(name for name, _ in attrs)}
        self.words += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def image(**changes: Any) -> Image:
    return Image(pk=7, **PICTURE | changes)


def tiles(one: Image, **changes: Any) -> str:
    context = {"images": [one], "order": "sort=newest", "after": "", "picks": True} | changes
    return drawn("gallery/_tiles.jinja", **context)


def test_it_works():
    page = tiles(image(), picks=False)
    assert 'href="/image/7/?sort=newest" data-like="/search/like/7/"' in page
    assert '<img class="placeholder" src="data:image/webp;base64,MQ=="' in page
    assert f'srcset="/r/ab/ab/{"ab" * 32}-360.webp 360w, ' in page
    assert 'width="360" height="180" loading="lazy" decoding="async" alt="sea.jpg">' in page
    assert '<span class="words" aria-hidden="true">sea.jpg</span>' in page
    assert "pick" not in page


def test_what_strangers_wrote_stays_text():
    seen = Seen(tiles(image(name=EVIL, caption=EVIL), order=EVIL, after=EVIL))
    assert {"script", "onerror"} & seen.names == set()
    assert seen.words.count(EVIL) == 2  # the alternative text and the name under the picture
    assert f"Select {EVIL}" in seen.words


def test_the_name_of_who_is_here_stays_text():
    context = {"here": "browse", "path": EVIL, "may_look": True, "signed_in": True}
    user = User(username=EVIL, is_staff=True, is_superuser=True)
    account = drawn("gallery/_account.jinja", **context, user=user, address=EVIL, waiting=0, csrf_token=EVIL)
    seen = Seen(account + drawn("gallery/_places.jinja", **context, user=user, may_upload=True))
    assert {"script", "onerror"} & seen.names == set()
    assert f"Menu of {EVIL}" in seen.words
    assert EVIL in seen.words


def test_a_private_picture_has_a_lock_and_secret_addresses():
    page = tiles(image(private=True))
    assert '<span class="private" title="Only for its owners"><svg class="icon"' in page
    assert set(re.findall(r"/(\w+)/ab/ab/", page)) == {"private"}


@pytest.mark.parametrize("changes", [{"trashed_at": timezone.now()}, {"state": "new"}], ids=["trashed", "new"])
def test_of_a_picture_without_thumbnails_only_the_blur_is_shown(changes):
    page = tiles(image(**changes))
    assert "base64,MQ==" in page
    assert '<span class="unseen">sea.jpg</span>' in page
    assert "/r/" not in page


def test_a_page_draws_one_thumbnail_alike():
    page = Template('{% include "gallery/_thumbnail.html" with sizes="64px" %}').render(Context({"image": image()}))
    assert 'sizes="64px"' in page
    assert page.strip().replace('"64px"', '"auto, (max-width: 600px) 300px, 520px"') in tiles(image())


def test_a_name_that_is_not_there_is_an_error():
    with pytest.raises(UndefinedError, match="picks"):
        drawn("gallery/_tiles.jinja", images=[image()], order="", after="")


@pytest.mark.django_db
def test_the_page_of_all_pictures_escapes(client: Client):
    Image.objects.create(**PICTURE | {"name": EVIL, "bytes": 1, "format": "JPEG"})
    page = client.get("/").content.decode()
    assert "<script>alert" not in page
    assert EVIL in Seen(page).words


def test_a_visitor_is_asked_to_sign_in():
    context = {"here": "browse", "path": "/", "may_look": True, "signed_in": False, "user": AnonymousUser()}
    page = drawn("gallery/_account.jinja", **context, address="/?a=b&c", waiting=0, csrf_token="")
    assert '?next=/%3Fa%3Db%26c"' in page
    assert "Sign out" not in page
