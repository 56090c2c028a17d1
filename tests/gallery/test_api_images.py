"""Pictures and tags through the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from gallery.models import Edit, Image, ImageSource, User
from tests.gallery.made import rows, tag_called

pytestmark = pytest.mark.django_db
JSON = "application/json"


def patch(client: Client, pk: int, **fields: Any) -> dict:
    response = client.patch(f"/api/images/{pk}", fields, content_type=JSON)
    assert response.status_code == 200, response.content
    return response.json()


def bring(pk: int, member: User) -> None:
    image = Image.objects.get(pk=pk)
    image.owners.add(member)
    image.sources.create(kind="upload", address="a.jpg", by=member)


def names(image: dict) -> list[str]:
    return [tag["name"] for tag in image["tags"]]


def test_it_works(client: Client, member: User) -> None:
    (pk,) = rows(1)
    image = Image.objects.get(pk=pk)
    image.sources.create(kind="page", address="https://example.org/a", title="A", author="Ada", licence="CC0")
    image.sources.create(kind="folder", address="/srv/pictures/a.jpg", title="a.jpg")
    image.sources.create(kind="folder", address="/srv/pictures/b.jpg")
    said = client.get(f"/api/images/{pk}").json()
    assert (said["id"], said["width"], said["private"], said["state"]) == (pk, 101, False, "ready")
    assert said["page"] == f"http://testserver/image/{pk}/"
    assert said["thumbnail"].startswith("http://testserver/r/")
    assert [(source["address"], source["licence"]) for source in said["sources"]] == [
        ("https://example.org/a", "CC0"),
        ("", ""),
    ]
    member.is_staff = True
    member.save()
    client.force_login(member)
    assert [source["address"] for source in client.get(f"/api/images/{pk}").json()["sources"]][1:] == [
        "/srv/pictures/a.jpg",
        "/srv/pictures/b.jpg",
    ]


def test_it_lists_in_pages(client: Client) -> None:
    ids = rows(5)
    first = client.get("/api/images?q=width>=102&sort=oldest&limit=2").json()
    assert [image["id"] for image in first["items"]] == ids[1:3]
    rows(1)
    rest = {"q": "width>=102", "sort": "oldest", "limit": 2, "cursor": first["next"]}
    second = client.get("/api/images", rest).json()
    assert [image["id"] for image in second["items"]] == ids[3:5]
    assert second["next"] is None
    for changed in ({"sort": "newest"}, {"q": "width>=101"}, {"cursor": "0:7~" + first["next"][-20:]}):
        response = client.get("/api/images", rest | changed)
        assert (response.status_code, response.json()["code"]) == (400, "cursor")
    shuffled = client.get("/api/images?sort=random&limit=3").json()
    others = client.get("/api/images", {"sort": "random", "limit": 3, "cursor": shuffled["next"]}).json()
    assert len({image["id"] for image in shuffled["items"] + others["items"]}) == 6
    assert client.get("/api/images?q=sea+%26%26+(").json()["code"] == "query"
    assert client.get("/api/images?sort=best").json()["code"] == "query"


def test_a_list_asks_as_little_as_one(client: Client, django_assert_max_num_queries: Any) -> None:
    from gallery.opinions import add_tag

    for pk in rows(60):
        ImageSource.objects.create(image_id=pk, kind="upload", address=f"{pk}.jpg")
    for image in Image.objects.all()[:20]:
        add_tag(image, f"sea, tag{image.pk}")
    with django_assert_max_num_queries(9):  # four of them set and release the time that the query may take
        items = client.get("/api/images?limit=60").json()["items"]
    assert len(items) == 60
    assert all(item["sources"] for item in items)
    assert names(items[0]) == ["sea", f"tag{items[0]['id']}"]


def test_what_is_changed_can_be_reverted(as_member: Client, as_admin: Client) -> None:
    (pk,) = rows(1)
    changed = patch(as_member, pk, caption="A boat", add_tags=["Sea", "boat"])
    assert (changed["caption"], names(changed)) == ("A boat", ["boat", "sea"])
    changed = patch(as_member, pk, caption="A ship", remove_tags=["boat", "unknown"])
    assert (changed["caption"], names(changed)) == ("A ship", ["sea"])
    assert patch(as_member, pk, caption="")["caption"] == ""
    history = as_member.get(f"/api/images/{pk}/history").json()
    assert len(history) == 6
    assert history[-1]["by"] == "alice"
    assert "A boat" in str(history)
    removed = Edit.objects.get(about="boat", after__state="rejected")
    as_admin.post(f"/image/{pk}/history/{removed.pk}/revert/", follow=True)
    assert names(as_member.get(f"/api/images/{pk}").json()) == ["boat", "sea"]


def test_the_trash_is_for_owners_and_moderators(as_member: Client, as_admin: Client, member: User) -> None:
    mine, other = rows(2)
    bring(mine, member)
    assert as_member.delete(f"/api/images/{other}").status_code == 403
    assert as_member.delete(f"/api/images/{mine}").status_code == 204
    assert as_member.get("/api/images").json()["items"][0]["id"] == other
    assert as_member.get(f"/api/images/{mine}").json()["state"] == "trashed"
    assert Edit.objects.get(image=mine).kind == Edit.Kind.TRASH
    assert as_member.post(f"/api/images/{mine}/restore").json()["state"] == "new"
    assert as_admin.delete(f"/api/images/{other}").status_code == 204
    assert as_member.post(f"/api/images/{other}/restore").status_code == 404


def test_what_is_private_is_there_for_its_owner_only(as_member: Client, client: Client, member: User) -> None:
    (pk,) = rows(1)
    assert as_member.patch(f"/api/images/{pk}", {"private": True}, content_type=JSON).status_code == 403
    bring(pk, member)
    said = patch(as_member, pk, private=True, add_tags=["secret"])
    assert said["private"]
    assert said["thumbnail"].endswith(f"/api/images/{pk}/renditions/360")
    for path in (f"/api/images/{pk}", f"/api/images/{pk}/original", f"/api/images/{pk}/similar"):
        assert client.get(path).status_code == 404
    assert client.get("/api/images").json()["items"] == client.get("/api/tags").json()["items"] == []
    assert client.get("/api/tags/complete?q=sec").json() == []
    assert client.get(f"/api/tags/{tag_called('secret').pk}").status_code == 404
    assert as_member.get("/api/images?q=tag:secret").json()["items"][0]["id"] == pk


def test_it_lists_tags(client: Client) -> None:
    from gallery.opinions import add_tag

    for pk, tags in zip(rows(3), ("sea, boat", "sea", "sea, seal"), strict=True):
        add_tag(Image.objects.get(pk=pk), tags)
    page = client.get("/api/tags?limit=2&sort=name").json()
    assert [(tag["name"], tag["pictures"]) for tag in page["items"]] == [("boat", 1), ("sea", 3)]
    (seal,) = client.get("/api/tags", {"limit": 2, "sort": "name", "cursor": page["next"]}).json()["items"]
    assert seal["name"] == "seal"
    assert {tag["name"] for tag in client.get("/api/tags?prefix=Sea").json()["items"]} == {"sea", "seal"}
    one = client.get(f"/api/tags/{seal['id']}").json()
    assert one["pictures"] == 1
    assert one["aliases"] == one["implies"] == []
    assert [each["name"] for each in client.get("/api/tags/complete?q=se").json()][:2] == ["sea", "seal"]
    for id in (2**31, 2**63 - 1):
        assert client.get(f"/api/tags/{id}").status_code == 404
