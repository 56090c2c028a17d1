"""All tags, and the page of one: looking, changing with a preview, and undo."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from gallery import tag_slices, tag_views
from gallery.models import Image, ImageTag, Tag, TagAlias, TagWork
from gallery.tag_slices import work_on
from gallery.tags import fold_tallies, quoted, search_address
from tests.gallery.made import rows

pytestmark = pytest.mark.django_db


def tag(name: str, pictures: int = 0, category: str = "") -> Tag:
    found = Tag.objects.create(name=name, category=category)
    images = list(Image.objects.order_by("pk").values_list("pk", flat=True)[:pictures])
    images += rows(pictures - len(images)) if len(images) < pictures else []
    ImageTag.objects.bulk_create([ImageTag(image_id=pk, tag=found) for pk in images])
    return found


def text(response) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", response.content.decode()).split())


def preview(client, of: Tag, kind: str, written: str):
    return client.get(reverse("preview_tag_change", args=[of.pk]), {"kind": kind, "written": written})


def confirm(client, page):
    """Press the button of the preview, with what its form holds."""
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.content.decode().split("<main")[1]))
    address = re.search(r'action="(/tags/\d+/change/)"', page.content.decode())[1]
    return client.post(address, {**hidden, "written": page.context["written"]}, follow=True)


def undone(client, page):
    address = re.search(r'action="(/tags/changes/\d+/undo/)"', page.content.decode())[1]
    return client.post(address, follow=True)


def test_it_works(as_admin):
    """Foreseen, merged, undone."""
    dog, doggy = tag("dog", 1), tag("doggy", 3)
    page = preview(as_admin, doggy, "into", "dog")
    assert "3 pictures change" in text(page)
    assert Tag.objects.count() == 2
    page = confirm(as_admin, page)
    assert page.redirect_chain == [(f"/tags/{dog.pk}/", 302)]
    assert "“doggy” was merged into “dog”." in text(page)
    assert "3 pictures" in text(page)
    assert "was merged" in text(as_admin.get(f"/tags/{doggy.pk}/", follow=True))
    page = undone(as_admin, page)
    assert "Undone: “doggy” was merged into “dog”" in text(page)
    assert set(Tag.objects.counted().values_list("name", "pictures")) == {("dog", 1), ("doggy", 3)}
    assert "undone by bob" in text(as_admin.get("/tags/changes/"))


@pytest.mark.parametrize(
    ("kind", "written", "title"),
    [
        ("rename", "hound", "No picture changes"),
        ("category", "animal", "No picture changes"),
        ("alias", "hound", "No picture changes"),
        ("alias", "cat", "1 picture changes"),  # a tag with pictures: merged
        ("imply", "animal", "2 pictures change"),
    ],
)
def test_each_kind_is_foreseen_done_and_undone(as_admin, kind, written, title):
    dog = tag("dog", 2)
    tag("cat", 1), tag("animal")
    page = preview(as_admin, dog, kind, written)
    assert title in text(page)
    page = confirm(as_admin, page)
    work = TagWork.objects.get()
    assert f"{work.sentence}." in text(page)
    undone(as_admin, page)
    work.refresh_from_db()
    assert (work.state, work.by.username) == ("undone", "bob")


class TestAllTags:
    def test_by_category_with_counts(self, as_admin):
        client = as_admin
        tag("dog", 2, "animal"), tag("mountain path", 1, "place"), tag("red")
        page = client.get("/tags/")
        assert re.search(r"Animal dog 2 .*Place mountain path 1 .*Without a category red 0", text(page))
        assert 'href="/search/?q=tag%3A%22mountain%20path%22"' in page.content.decode()
        assert "red" not in text(client.get("/tags/?category=animal")).split("All")[-1]
        assert "red 0" in text(client.get("/tags/?category="))

    def test_part_of_a_name(self, as_admin):
        client = as_admin
        TagAlias.objects.create(name="hound", tag=tag("dog"))
        tag("cat")
        assert "dog 0" in text(client.get("/tags/?q=OUN"))
        assert "cat 0" not in text(client.get("/tags/?q=OUN"))
        assert "No tag is called so" in text(client.get("/tags/?q=%25"))

    def test_empty(self, client):
        assert "No picture has a tag yet" in text(client.get("/tags/"))

    @pytest.mark.parametrize("sort", ["most", "name"])
    def test_pages_hold_each_tag_once(self, as_admin, monkeypatch, sort):
        client = as_admin
        monkeypatch.setattr(tag_views, "PAGE", 3)
        names = {tag(f"tag {number}", number % 3).name for number in range(10)}
        fold_tallies()
        seen, address = [], f"/tags/?category=&sort={sort}"
        while address:
            page = client.get(address)
            seen += [each.name for each in page.context["found"]]
            address = page.context["onward"] and f"/tags/{page.context['onward']}"
        assert (set(seen), len(seen)) == (names, 10)
        assert seen == sorted(seen) if sort == "name" else seen[0] == "tag 2"

    @pytest.mark.parametrize(
        "query",
        [
            "after=x",
            "after=9.",
            "sort=x",
            "q=%00",
            "q=" + "x" * 9999,
            "category=%FF",
            "after=.a",
            "category=%00",
            "category=a&after=5.%00",
            "category=a&after=5.%00&sort=name",
        ],
    )
    def test_bad_addresses(self, client, query):
        tag("dog")
        for address in (f"/tags/?q=d&{query}", f"/tags/?{query}"):
            assert client.get(address).status_code in (200, 400)

    def test_what_is_only_in_the_trash_is_nobodys_business(self, client, as_admin, as_member):
        tag("secret", 2, "hidden")
        tag("dog", 2)
        fold_tallies()
        assert "secret" in text(client.get("/tags/"))
        trashed = rows(1)
        ImageTag.objects.create(image_id=trashed[0], tag=tag("unseen"))
        Image.objects.filter(tags__name__in=["secret", "unseen"]).update(trashed_at="2026-01-01T00:00Z")
        ImageTag.objects.create(image_id=rows(1)[0], tag=Tag.objects.get(name="dog"))
        for _ in range(2):  # before it is counted, and after
            for reader in (client, as_member):
                assert "dog 1" in text(reader.get("/tags/"))
                for address in ("/tags/", "/tags/?q=e", "/tags/?category=hidden", "/tags/?sort=name&category="):
                    words = text(reader.get(address)).split("Filter")[-1]
                    assert "secret" not in words
                    assert "unseen" not in words
            assert "secret 0" in text(as_admin.get("/tags/"))
            fold_tallies()
        assert "hidden" not in text(client.get("/tags/")).lower()

    def test_many_categories(self, as_admin):
        """Some are shown; the page does not grow with them."""
        Tag.objects.bulk_create([Tag(name=f"tag {n}", category=f"category {n:03}") for n in range(130)])
        page = as_admin.get("/tags/")
        assert len(page.context["shelves"]) == tag_views.MOST_CATEGORIES
        assert "Tags of all others are found by a part of their name" in text(page)
        assert "tag 129" in text(as_admin.get("/tags/?q=129"))


class TestRights:
    def test_members_look_and_only_staff_change(self, as_member, client):
        dog = tag("dog", 1)
        assert "Merge" not in text(as_member.get(f"/tags/{dog.pk}/"))
        assert preview(as_member, dog, "rename", "x").status_code == 403
        assert as_member.post(f"/tags/{dog.pk}/change/", {"kind": "rename", "written": "x"}).status_code == 403
        assert as_member.get("/tags/changes/").status_code == 403
        assert client.get(f"/tags/{dog.pk}/")["Location"].startswith("/login/")
        assert client.post(f"/tags/{dog.pk}/change/")["Location"].startswith("/login/")
        assert TagWork.objects.count() == 0


class TestRefusals:
    @pytest.mark.parametrize(
        ("kind", "written", "says"),
        [
            ("rename", "", "Write a tag"),
            ("rename", "x" * 101, "at most 100"),
            ("imply", "nothing", "There is no tag"),
            ("into", "dog", "this tag itself"),
            ("no_alias", "x", "no other name"),
            ("x", "x", "nothing that can be done"),
        ],
    )
    def test_it_is_said_where_it_was_written(self, as_admin, kind, written, says):
        dog = tag("dog")
        page = preview(as_admin, dog, kind, written)
        assert (page.status_code, says in text(page)) == (400, True)
        assert as_admin.post(f"/tags/{dog.pk}/change/", {"kind": kind, "written": written}).status_code in (400, 409)

    def test_somebody_was_faster(self, as_admin):
        dog = tag("dog")
        page = preview(as_admin, dog, "rename", "hound")
        Tag.objects.update(category="animal")
        answer = confirm(as_admin, page)
        assert (answer.status_code, "Somebody was faster" in text(answer)) == (409, True)

    def test_gone(self, as_admin):
        assert as_admin.get(f"/tags/{2**70}/").status_code == 404
        assert as_admin.post(f"/tags/changes/{2**70}/undo/").status_code == 404


def test_many_pictures_are_left_to_the_worker(as_admin, monkeypatch):
    monkeypatch.setattr(tag_slices, "AT_ONCE", 2)
    monkeypatch.setattr(tag_slices, "SLICE", 2)
    monkeypatch.setattr(tag_views, "ring", lambda bell: None)
    dog = tag("dog", 5)
    tag("animal")
    page = confirm(as_admin, preview(as_admin, dog, "imply", "animal"))
    assert "At work: 0 of 5 pictures" in text(page)
    work_on(9)
    assert "Done: 5 pictures looked at." in text(as_admin.get(page.request["PATH_INFO"]))


@pytest.mark.parametrize(
    "name", ["dog", "mountain path", "artist:x", 'a"b', "a&&b", "-a", "!", "(", "1990s", "ёж", "don't"]
)
def test_names_are_quoted_for_the_search(name):
    """As the language of queries reads them."""
    from search.language import parse
    from search.language.tree import Tagged

    tree = parse(f"tag:{quoted(name)}").tree
    assert tree == Tagged(name.replace('"', "?"))
    assert search_address(name).startswith("/search/?q=tag%3A")


def test_nonsense_of_the_staff_is_refused(as_admin):
    dog = tag("dog")
    for kind in ("no_alias", "alias", "rename", "merge", "into", "category"):
        assert preview(as_admin, dog, kind, "\x00").status_code in (200, 400)
        answer = as_admin.post(f"/tags/{dog.pk}/change/", {"kind": kind, "written": "\x00", "seen": "\x00"})
        assert answer.status_code in (400, 409)
