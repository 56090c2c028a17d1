"""Searches as Atom and JSON Feed: newest first, for anybody, whatever the pictures are called."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gallery.models import Caption, Image, ImageTag, Tag, User
from search.models import SavedSearch
from search.templatetags.saved import feed as feed_of
from tests.gallery.made import rows

pytestmark = pytest.mark.django_db
ATOM = "{http://www.w3.org/2005/Atom}"
HOSTILE = '<script>alert(1)</script> ]]> & " \x01\x0b\x1f\x7f\ufffe\u202e\U0001f600 {{ 7 }}'


@pytest.fixture
def member(db) -> User:
    return User.objects.create(username="alice")


@pytest.fixture
def admin(db) -> User:
    return User.objects.create(username="bob", is_staff=True, is_superuser=True)


def tagged(count: int, name: str = "sea") -> list[int]:
    tag, _ = Tag.objects.get_or_create(name=name)
    ids = rows(count)
    ImageTag.objects.bulk_create(ImageTag(image_id=pk, tag=tag) for pk in ids)
    return ids


def atom(address: str = "/search/feed.atom?q=tag:sea") -> ElementTree.Element:
    response = Client().get(address)
    assert response.status_code == 200, response.content
    assert response.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    return ElementTree.fromstring(response.content)


def read(address: str = "/search/feed.json?q=tag:sea") -> dict:
    response = Client().get(address)
    assert response.status_code == 200, response.content
    assert response.headers["Content-Type"] == "application/feed+json"
    return json.loads(response.content)


def test_it_works():
    tagged(1, "lake")
    first, second = tagged(2)
    Caption.objects.create(image_id=second, text="A wave")
    feed = atom()
    assert feed.tag == f"{ATOM}feed"
    assert feed.findtext(f"{ATOM}title") == "tag:sea · Lookalike"
    links = {link.get("rel"): link.get("href") for link in feed.findall(f"{ATOM}link")}
    assert links == {
        "alternate": "http://testserver/search/?q=tag%3Asea",
        "self": "http://testserver/search/feed.atom?q=tag:sea",
    }
    entries = feed.findall(f"{ATOM}entry")
    image = Image.objects.get(pk=second)
    entry = entries[0]
    assert [entry.findtext(f"{ATOM}title") for entry in entries] == ["A wave", Image.objects.get(pk=first).name]
    assert entry.findtext(f"{ATOM}id") == f"tag:testserver,2026:image/{image.sha256}"
    assert entry.findtext(f"{ATOM}published") == image.added_at.isoformat()
    assert entry.find(f"{ATOM}category").get("term") == "sea"
    enclosure = entry.find(f"{ATOM}link[@rel='enclosure']")
    assert enclosure.get("href") == f"http://testserver{image.thumbnail.url}"
    assert enclosure.get("type") == "image/webp"
    assert feed.findtext(f"{ATOM}updated") == image.added_at.isoformat()


def test_json_feed():
    _, second = tagged(2)
    image = Image.objects.get(pk=second)
    feed = read()
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["home_page_url"] == "http://testserver/search/?q=tag%3Asea"
    assert feed["feed_url"] == "http://testserver/search/feed.json?q=tag:sea"
    assert "next_url" not in feed
    assert feed["items"][0] == {
        "id": f"tag:testserver,2026:image/{image.sha256}",
        "url": f"http://testserver/image/{second}/",
        "title": image.name,
        "content_text": image.name,
        "image": f"http://testserver{image.renditions[:2][-1].url}",
        "date_published": image.added_at.isoformat(),
        "tags": ["sea"],
        "attachments": [{"url": f"http://testserver{image.thumbnail.url}", "mime_type": "image/webp"}],
    }


def test_every_required_part_of_an_atom_feed_is_there():
    tagged(3)
    feed = atom()
    for element in (feed, *feed.findall(f"{ATOM}entry")):
        for part in ("id", "title", "updated"):
            assert element.findtext(f"{ATOM}{part}")
    ids = [entry.findtext(f"{ATOM}id") for entry in feed.findall(f"{ATOM}entry")]
    assert len(set(ids)) == 3
    assert all(re.fullmatch(r"tag:[a-z0-9.-]+,2026:\S+", one) for one in [*ids, feed.findtext(f"{ATOM}id")])


@pytest.mark.parametrize("kind", ["json", "atom"])
def test_further_pages_end(kind):
    ids = tagged(130)
    found: list[str] = []
    address, sizes = f"/search/feed.{kind}?q=tag:sea", []
    while address:
        if kind == "json":
            page = read(address)
            here, address = [item["url"] for item in page["items"]], page.get("next_url", "")
        else:
            feed = atom(address)
            here = [entry.find(f"{ATOM}link").get("href") for entry in feed.findall(f"{ATOM}entry")]
            link = feed.find(f"{ATOM}link[@rel='next']")
            address = "" if link is None else link.get("href")
        if not sizes:
            tagged(1)  # one that comes meanwhile moves no page
        sizes.append(len(here))
        found += here
    assert sizes == [60, 60, 10]
    assert found == [f"http://testserver/image/{pk}/" for pk in reversed(ids)]


def test_nothing_new_is_not_sent_again(client):
    tagged(1)
    for kind in ("atom", "json"):
        first = client.get(f"/search/feed.{kind}?q=tag:sea")
        again = client.get(f"/search/feed.{kind}?q=tag:sea", headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
    Caption.objects.create(image=Image.objects.get(), text="Another")
    again = client.get("/search/feed.json?q=tag:sea", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 200


def test_what_only_some_may_see_is_not_in_it(as_admin):
    pk, other = tagged(2)
    Image.objects.get(pk=pk).trash()
    for client in (as_admin, Client()):
        page = json.loads(client.get("/search/feed.json?q=tag:sea").content)
        assert [item["url"] for item in page["items"]] == [f"http://testserver/image/{other}/"]


def test_rejected_tags_are_not_named():
    (pk,) = tagged(1)
    tag = Tag.objects.create(name="wrong")
    ImageTag.objects.create(image_id=pk, tag=tag, origin="net:1", generation=1, state="rejected")
    assert read()["items"][0]["tags"] == ["sea"]


def test_words_are_taken_to_the_letter():
    pk, _ = rows(2)
    Caption.objects.create(image_id=pk, text="A storm at sea")
    assert [item["title"] for item in read("/search/feed.json?q=storm+sea")["items"]] == ["A storm at sea"]


def test_filters_and_orders():
    first, second = tagged(2)
    Image.objects.filter(pk=first).update(format="PNG")
    urls = [item["url"] for item in read("/search/feed.json?q=tag:sea+sort:oldest+limit:1")["items"]]
    assert urls == [f"http://testserver/image/{second}/", f"http://testserver/image/{first}/"]
    filtered = read("/search/feed.json?q=tag:sea&format=PNG")["items"]
    assert [item["url"] for item in filtered] == [f"http://testserver/image/{first}/"]


def test_without_a_query_it_is_all():
    rows(2)
    feed = read("/search/feed.json")
    assert (feed["title"], len(feed["items"])) == ("Newest pictures · Lookalike", 2)
    assert feed["home_page_url"] == "http://testserver/"


def test_nothing_found_is_a_feed_too():
    now = datetime.now(UTC)
    updated = datetime.fromisoformat(atom("/search/feed.atom?q=tag:nowhere").findtext(f"{ATOM}updated") or "")
    assert now - timedelta(days=1, minutes=1) < updated <= datetime.now(UTC)
    assert read("/search/feed.json?q=tag:nowhere")["items"] == []


def test_what_only_meaning_can_take_away_is_not_followed(client):
    response = client.get("/search/feed.json?q=~sea")
    assert response.status_code == 400
    assert json.loads(response.content)["detail"].endswith("Write -sea to leave out all pictures with the word.")
    assert feed_of("/search/?q=~sea", "json") == ""
    assert feed_of("/search/?q=~sea+lake", "json") == "/search/feed.json?q=~sea+lake"


@pytest.mark.parametrize("query", ["q=a%26%26(", "q=tag:sea&after=x", "q=tag:sea&format=TXT", "q=width>many"])
def test_a_mistake_is_a_sentence(client, query):
    response = client.get(f"/search/feed.json?{query}")
    assert response.status_code == 400
    assert json.loads(response.content)["detail"].endswith((".", "?"))
    response = client.get(f"/search/feed.atom?{query}")
    assert (response.status_code, response.headers["Content-Type"]) == (400, "text/plain; charset=utf-8")


class TestSaved:
    @pytest.fixture
    def search(self, member) -> SavedSearch:
        return SavedSearch.objects.create(owner=member, name=f"Sea {HOSTILE}", address="/search/?q=tag%3Asea")

    def test_it_has_an_id_and_a_day_of_its_own(self, search):
        address = f"/search/saved/{search.token}/feed.atom"
        assert atom(address).findtext(f"{ATOM}id") == f"tag:testserver,2026:saved/{search.pk}"
        assert atom(address).findtext(f"{ATOM}updated", "")[:19] == search.created_at.isoformat()[:19]

    def test_it_works(self, search):
        tagged(61)
        feed = read(f"/search/saved/{search.token}/feed.json")
        assert feed["title"].startswith("Sea <script>")
        assert len(feed["items"]) == 60
        assert urlsplit(feed["next_url"]).path == f"/search/saved/{search.token}/feed.json"
        assert len(read(feed["next_url"])["items"]) == 1
        assert len(atom(f"/search/saved/{search.token}/feed.atom").findall(f"{ATOM}entry")) == 60

    def test_what_is_like_a_picture_has_no_feed(self, search, client):
        SavedSearch.objects.update(address="/search/like/5/")
        response = client.get(f"/search/saved/{search.token}/feed.json")
        assert response.status_code == 404
        assert "Only searches in words" in json.loads(response.content)["detail"]

    @pytest.mark.parametrize("token", ["x", "%00", "a" * 500])
    def test_nobody_guesses_one(self, client, token):
        assert client.get(f"/search/saved/{token}/feed.atom").status_code in (400, 404)


class TestHostile:
    def test_it_works(self):
        (pk,) = tagged(1, f"sea {HOSTILE}"[:100])
        Caption.objects.create(image_id=pk, text=HOSTILE)
        entry = atom("/search/feed.atom").find(f"{ATOM}entry")
        assert entry.findtext(f"{ATOM}title").startswith("<script>alert(1)</script> ]]> &")
        assert "<script>" not in entry.findtext(f"{ATOM}summary")
        assert read("/search/feed.json")["items"][0]["title"] == HOSTILE

    def test_so_may_the_query_be(self, client):
        for query in (HOSTILE, "\x00", "\ud800".encode("utf-8", "surrogatepass"), "x" * 10_000, "🎉" * 500, "("):
            for kind in ("atom", "json"):
                response = client.get(f"/search/feed.{kind}", {"q": query})
                assert response.status_code in (200, 400)
                if response.status_code == 200:
                    (ElementTree.fromstring if kind == "atom" else json.loads)(response.content)

    @settings(
        max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    )
    @given(
        st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1), min_size=30)
    )
    def test_whatever_they_are_called(self, db, texts):
        texts = texts[:60]
        Image.objects.all().delete()
        images = zip(reversed(rows(len(texts))), texts, strict=True)
        Image.objects.bulk_update([Image(pk=pk, caption=text) for pk, text in images], ["caption"])
        entries = atom("/search/feed.atom").findall(f"{ATOM}entry")
        assert all(entry.findtext(f"{ATOM}title") for entry in entries)
        assert [item["content_text"] for item in read("/search/feed.json")["items"]] == texts
