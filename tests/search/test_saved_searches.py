"""Searches that somebody has named: kept, shared, renamed, thrown away and taken back."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from gallery.models import User
from search import saved_list
from search.models import SavedSearch
from search.saved_address import FOREIGN, SaveError, storable
from search.saved_views import SIGN_IN

pytestmark = pytest.mark.django_db
ADDRESS = "/search/?q=winter%26%26forest"
PAGE = "/search/saved/"


@pytest.fixture
def member(db) -> User:
    return User.objects.create(username="alice")


@pytest.fixture
def admin(db) -> User:
    return User.objects.create(username="bob", is_staff=True, is_superuser=True)


def save(client: Client, name: str = "Winter", address: str = ADDRESS, **more: str):
    return client.post(PAGE, {"name": name, "address": address, **more})


def make(owner: User, name: str = "Winter", **values: object) -> SavedSearch:
    return SavedSearch.objects.create(owner=owner, name=name, **{"address": ADDRESS} | values)


def said(response) -> str:
    return unescape(response.content.decode())


def undo(client: Client) -> str:
    """Where the button Undo of the page leads."""
    page = client.get(PAGE).content.decode()
    found = re.search(r'<form method="post" action="(/search/saved/[^"]+/restore/)">', page)
    assert found
    return found[1]


def test_it_works(as_member, member):
    response = save(as_member)
    assert response.headers["Location"] == ADDRESS
    search = SavedSearch.objects.get()
    assert (search.name, search.address, search.owner, search.is_shared) == ("Winter", ADDRESS, member, False)
    page = said(as_member.get(PAGE))
    assert f'<a href="{ADDRESS}">Winter</a>' in page
    assert f"http://testserver/search/saved/{search.token}/feed.atom" in page


def test_the_page_of_answers_offers_it(as_member):
    page = said(as_member.get("/search/?q=width>100"))
    assert 'name="address" value="/search/?q=width%3E100"' in page
    assert 'name="name" value="width>100"' in page
    assert 'href="/search/feed.atom?q=width%3E100"' in page
    assert "save-search" not in said(Client().get("/search/?q=width>100"))


def test_the_page_shows_what_each_asks(as_member, member):
    make(member, address="/search/?q=sea+%26%26+width%3E9&format=PNG&tag=%3Cb%3E&sort=oldest")
    make(member, "Red", address="/search/colours/?c=ff0000,00ff00")
    parts = re.findall(r'<span class="mono">([^<]*)</span>', as_member.get(PAGE).content.decode())
    shown = [unescape(part) for part in parts]
    assert shown == ["#ff0000, #00ff00", "sea && width>9", "PNG", "tagged “<b>”", "Oldest"]


def test_the_way_to_the_page_is_a_link(as_member):
    page = as_member.post(PAGE, {"name": "<i>", "address": ADDRESS}, follow=True).content.decode()
    assert f'Saved as “&lt;i&gt;”. It is on the page <a href="{PAGE}">Saved searches</a>.' in page


def test_an_empty_answer_of_plain_words_can_be_saved(as_member):
    page = said(as_member.get("/search/?q=unicorn"))
    assert "Nothing here fits that" in page
    assert 'name="address" value="/search/?q=unicorn"' in page


def test_readers_of_feeds_find_it(client):
    page = said(client.get("/search/?q=width>100"))
    assert '<link rel="alternate" type="application/atom+xml"' in page


class TestTheList:
    def test_its_pages_follow_each_other(self, as_member, member, admin, monkeypatch):
        monkeypatch.setattr(saved_list, "PAGE", 2)
        for name in ("e", "d", "c", "b", "a"):
            make(member, name)
            make(admin, f"bob {name}", is_shared=True)
        for of, before in (("mine", ""), ("others", "bob ")):
            seen, address = [], PAGE
            while address:
                page = as_member.get(address).context
                seen += [search.name for search in page[of].rows]
                address = page[of].onward and f"{PAGE}?{page[of].onward}"
            assert seen == [before + name for name in "abcde"]
        second = said(as_member.get(f"{PAGE}?of=others&after={10**9}.bob+b"))
        assert re.findall(r"<h3><a [^>]*>([^<]+)", second) == ["bob c", "bob d"]
        assert "All saved searches" in second
        assert "That was all." in said(as_member.get(f"{PAGE}?of=mine&after={10**9}.e"))

    def test_three_thousand_are_found_by_a_part_of_a_name(self, as_member, member, admin):
        searches = [SavedSearch(owner=member, name=f"Mine {n:04}", address=ADDRESS) for n in range(1_000)]
        for number in range(2):
            eve = User.objects.create(username=f"eve{number}")
            searches += [
                SavedSearch(owner=eve, name=f"S {n:04}", address=ADDRESS, is_shared=True) for n in range(1_000)
            ]
        SavedSearch.objects.bulk_create(searches)
        with CaptureQueriesContext(connection) as asked:
            page = as_member.get(PAGE)
        assert len(asked) < 14
        assert said(page).count('<li class="panel"') == 2 * saved_list.PAGE
        found = as_member.get(PAGE, {"q": " INE 077"})
        assert [each.name for each in found.context["mine"].rows] == [f"Mine 077{n}" for n in range(10)]
        assert not found.context["others"].rows
        further = as_member.get(f"{PAGE}?{as_member.get(PAGE, {'q': 's 0'}).context['others'].onward}")
        assert {each.name[:3] for each in further.context["others"].rows} == {"S 0"}
        assert "No saved search is called like that" in said(as_member.get(PAGE, {"q": "%"}))

    def test_a_short_one_has_no_field_to_find_in(self, as_member, member):
        make(member)
        assert 'name="q" value="" maxlength' not in said(as_member.get(PAGE))

    @pytest.mark.parametrize("asked", ["of=nobody", "of=mine&after=x", "of=mine&after=1.a%00", "of=mine&after=5"])
    def test_broken_addresses_are_refused(self, as_member, asked):
        assert as_member.get(f"{PAGE}?{asked}").status_code == 400

    def test_who_changes_one_comes_back_to_its_page(self, as_member, member):
        search = make(member)
        place = "of=mine&after=5.Summer&q=i&next=//example.org"
        for deed in ("share", "rename", "delete"):
            sent = as_member.post(f"{PAGE}{search.token}/{deed}/", {"name": "Ice", "share": "1", "place": place})
            assert sent.headers["Location"] == f"{PAGE}?of=mine&after=5.Summer&q=i"


class TestSave:
    def test_strangers_cannot(self, client):
        response = save(client)
        assert response.status_code == 403
        assert SIGN_IN in said(response)

    @pytest.mark.parametrize(
        ("written", "kept"),
        [
            ("/search/?q=a+b&page=3&weak=1&after=9&again=2", "/search/?q=a+b"),
            ("/search/?q=a&sort=oldest&tag=x&tag=y#top", "/search/?q=a&sort=oldest&tag=x&tag=y"),
            ("/search/?orientation=landscape", "/search/?orientation=landscape"),
            ("/search/like/5/", "/search/like/5/"),
            ("/search/colours/?c=ff0000", "/search/colours/?c=ff0000"),
        ],
    )
    def test_it_keeps_what_is_asked(self, as_member, written, kept):
        assert save(as_member, address=written).status_code == 302
        assert SavedSearch.objects.get().address == kept

    @pytest.mark.parametrize(
        "address",
        [
            "",
            "search/?q=a",
            "https://example.org/search/?q=a",
            "//example.org/search/?q=a",
            "/\\example.org/search/?q=a",
            "/login/?next=/search/",
            "/search/saved/",
            "/admin/",
            "/search/like/5/match/6/",
            "javascript:alert(1)",
            "http://[",
            "/search/?q=a\n",
            "/nowhere/",
        ],
    )
    def test_it_rejects_other_addresses(self, as_member, address):
        response = save(as_member, address=address)
        assert response.status_code == 400
        assert FOREIGN in said(response)

    @pytest.mark.parametrize(
        ("address", "why"),
        [
            ("/search/q/sometoken/", "the picture is deleted after a while"),
            ("/search/", "nothing to save yet"),
            ("/search/?sort=oldest&page=2", "nothing to save yet"),
            ("/search/?q=a%26%26(", "cannot be read"),
            (f"/search/?q={'%C3%A4' * 900}", "too long"),
        ],
    )
    def test_it_says_what_cannot_be_saved(self, as_member, address, why):
        response = save(as_member, address=address)
        assert response.status_code == 400
        assert why in said(response)

    @pytest.mark.parametrize("name", ["", " \u200b\n", "x" * 101])
    def test_it_needs_a_name(self, as_member, name):
        assert save(as_member, name=name).status_code == 400
        assert not SavedSearch.objects.exists()

    def test_hostile_names_are_only_shown(self, as_member):
        save(as_member, name="<script>alert(1)</script>{{ 7 }}\x00\u202e")
        assert "<script>alert" not in as_member.get(PAGE).content.decode()
        assert SavedSearch.objects.get().name == "<script>alert(1)</script>{{ 7 }}"

    def test_the_same_name_is_asked_about(self, as_member):
        save(as_member)
        token = SavedSearch.objects.get().token
        response = save(as_member, address="/search/?q=summer")
        assert response.status_code == 409
        assert "Replace “Winter”?" in said(response)
        assert SavedSearch.objects.get().address == ADDRESS
        assert save(as_member, address="/search/?q=summer", replace="1").status_code == 302
        assert (SavedSearch.objects.get().address, SavedSearch.objects.get().token) == ("/search/?q=summer", token)

    def test_the_same_search_again_is_no_question(self, as_member):
        assert save(as_member).status_code == save(as_member).status_code == 302
        assert SavedSearch.objects.count() == 1

    def test_nobody_saves_without_end(self, as_member, monkeypatch):
        monkeypatch.setattr("search.saved_views.MOST", 1)
        save(as_member)
        assert "You have 1 saved searches: delete one first." in said(save(as_member, name="another"))


class TestShare:
    def test_it_works(self, as_member, member, as_admin):
        search = make(member)
        assert "Winter" not in said(as_admin.get(PAGE))
        as_member.post(f"{PAGE}{search.token}/share/", {"share": "1"})
        for reader in (as_admin, Client()):
            page = said(reader.get(PAGE))
            assert f'<a href="{ADDRESS}">Winter</a>' in page
            assert "alice" in page
            assert "/delete/" not in page
        as_member.post(f"{PAGE}{search.token}/share/", {"share": "0"})
        assert "Winter" not in said(Client().get(PAGE))

    def test_who_has_seen_it_cannot_follow_it_any_longer(self, as_member, member):
        search = make(member, is_shared=True)
        as_member.post(f"{PAGE}{search.token}/share/", {"share": "0"})
        assert Client().get(f"{PAGE}{search.token}/feed.atom").status_code == 404
        fresh = SavedSearch.objects.get().token
        assert Client().get(f"{PAGE}{fresh}/feed.atom").status_code == 200
        as_member.post(f"{PAGE}{fresh}/share/", {"share": "1"})
        assert SavedSearch.objects.get().token == fresh

    @pytest.mark.parametrize("deed", ["rename", "share", "delete", "restore"])
    def test_only_its_owner_changes_it(self, as_admin, member, deed):
        search = make(member, is_shared=True)
        before = SavedSearch.objects.values().get()
        for client in (as_admin, Client()):
            response = client.post(f"{PAGE}{search.token}/{deed}/", {"name": "x", "share": "0"})
            assert response.status_code == 404
            assert client.get(f"{PAGE}{search.token}/{deed}/").status_code == 405
        assert SavedSearch.objects.values().get() == before


class TestRename:
    def test_it_works(self, as_member, member):
        search = make(member)
        as_member.post(f"{PAGE}{search.token}/rename/", {"name": " Ice  and snow "})
        assert SavedSearch.objects.get().name == "Ice and snow"

    @pytest.mark.parametrize(("name", "status"), [("Summer", 409), ("", 400)])
    def test_what_cannot_be_is_said_where_it_was_typed(self, as_member, member, name, status):
        make(member, "Summer")
        search = make(member)
        response = as_member.post(f"{PAGE}{search.token}/rename/", {"name": name})
        assert response.status_code == status
        assert f'value="{name}"' in said(response)
        assert [each.name for each in response.context["mine"].rows] == ["Winter"]
        search.refresh_from_db()
        assert search.name == "Winter"


class TestDelete:
    def test_it_works_and_is_undone(self, as_member, member):
        search = make(member, is_shared=True)
        as_member.post(f"{PAGE}{search.token}/delete/")
        assert 'href="/search/?q=winter' not in said(Client().get(PAGE))
        assert Client().get(f"{PAGE}{search.token}/feed.atom").status_code == 404
        as_member.post(undo(as_member))
        assert "Winter" in said(Client().get(PAGE))
        assert as_member.get(f"{PAGE}{search.token}/feed.atom").status_code == 200

    def test_it_is_brought_back_from_the_list_for_a_day(self, as_member, member, as_admin):
        make(member, "Old", deleted_at=Now() - timedelta(days=2))
        search = make(member, deleted_at=Now() - timedelta(hours=23))
        for client in (as_admin, Client()):
            assert "Winter" not in said(client.get(PAGE))
        page = said(as_member.get(PAGE))
        assert ("Winter" in page, "Old" in page) == (True, False)
        as_member.post(undo(as_member))
        assert [each.pk for each in as_member.get(PAGE).context["mine"].rows] == [search.pk]

    def test_its_name_is_free(self, as_member, member):
        search = make(member)
        as_member.post(f"{PAGE}{search.token}/delete/")
        assert save(as_member).status_code == 302
        response = as_member.post(undo(as_member))
        assert response.status_code == 409
        assert "Meanwhile another search is called “Winter”" in said(response)

    def test_it_is_forgotten_after_a_day(self, as_member, member):
        make(member, "Old", deleted_at=Now() - timedelta(days=2))
        make(member, "Young", deleted_at=Now() - timedelta(hours=2))
        save(as_member)
        assert set(SavedSearch.objects.values_list("name", flat=True)) == {"Young", "Winter"}

    def test_after_a_day_it_does_not_come_back(self, as_member, member):
        search = make(member, deleted_at=Now() - timedelta(days=2))
        assert as_member.post(f"{PAGE}{search.token}/restore/").status_code == 404
        assert SavedSearch.objects.get().deleted_at


def test_an_empty_page_says_how(as_member):
    assert "You have saved no search yet" in said(as_member.get(PAGE))
    assert "Nobody has shared a search yet" in said(Client().get(PAGE))


def test_every_kept_address_is_kept_again():
    address = storable("/search/?q=a%26%26%22b+c%22&tag=%C3%A4")
    assert storable(address) == address
    with pytest.raises(SaveError):
        storable("/search/?" + "&".join(f"a{n}=1" for n in range(101)))
