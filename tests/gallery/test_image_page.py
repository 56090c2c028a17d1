"""The page of one picture: what is known about it, and its neighbours."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from gallery.models import Caption, Image, ImageSource, ImageTag, OcrText, Tag
from tests.gallery.made import rows
from tests.pictures import photo

HOSTILE = "<script>alert(1)</script>{{7*7}}"


def page_of(client: Client, image: Image, query: str = "") -> str:
    response = client.get(f"/image/{image.pk}/{query}")
    assert response.status_code == 200
    return response.content.decode()


def link(page: str, rel: str) -> str | None:
    found = re.search(rf'rel="{rel}" href="([^"]+)"', page)
    return found and found[1].replace("&amp;", "&")


@pytest.fixture
def image(add) -> Image:
    return add(1, "beach.jpg")


def test_it_works(image: Image, client: Client):
    page = page_of(client, image)
    assert "beach.jpg" in page
    assert "320 × 240" in page
    assert "JPEG" in page
    assert image.sha256 in page
    assert image.screen.url in page
    assert f"/image/{image.pk}/original/" in page
    assert f"/search/like/{image.pk}/" in page


def test_shows_what_the_camera_wrote_but_not_the_place(add, client: Client, settings):
    exif = photo(1).getexif()
    exif[0x010F], exif[0x0110] = "Canon", "EOS <b>5D</b>"
    exif.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 30.0, 0.0), 3: "E", 4: (13.0, 24.0, 36.0)})
    image = add(1, exif=exif.tobytes())
    assert image.exif["GPS"]
    for query in ("", "?sort=oldest"):
        page = page_of(client, image, query)
        assert "Canon EOS &lt;b&gt;5D&lt;/b&gt;" in page
        assert "6 May 2024, 07:08" in page
        assert "52.5" not in page
        assert "13.41" not in page
        assert "GPS" not in page
    settings.SHOW_GPS = True
    assert "52.50000, 13.41000" in page_of(client, image)


def test_shows_paths_to_staff_only(image: Image, client: Client, as_member: Client, as_admin: Client):
    ImageSource.objects.create(image=image, kind="folder", address="/home/alice/private/beach.jpg")
    assert "Found in a folder" not in page_of(client, image)
    assert "/home/alice" not in page_of(client, image)
    assert "/home/alice" not in page_of(as_member, image)
    assert "/home/alice" in page_of(as_admin, image)


def test_shows_words_as_text_and_hides_the_rejected(image: Image, client: Client):
    for state in ("accepted", "suggested", "rejected"):
        words = {"image": image, "origin": f"model {state}", "state": state}
        ImageTag.objects.create(tag=Tag.objects.create(name=f"tag {state}{HOSTILE}"), **words)
        Caption.objects.create(text=f"caption {state}{HOSTILE}", **words)
        OcrText.objects.create(text=f"ocr {state}{HOSTILE}", **words)
    page = page_of(client, image)
    for kind in ("tag", "caption", "ocr"):
        assert f"{kind} accepted&lt;script&gt;" in page
        assert f"{kind} suggested&lt;script&gt;" in page
        assert f"{kind} rejected" not in page
    assert "<script>alert" not in page
    assert "{{7*7}}" in page


def test_shows_hostile_facts_as_text(image: Image, client: Client):
    Image.objects.update(
        name=HOSTILE, exif={HOSTILE: HOSTILE, "Lens": [HOSTILE], "ISO": {"a": HOSTILE}, "FNumber": "x"}
    )
    ImageSource.objects.create(
        image=image, kind="upload", address=HOSTILE, author=HOSTILE, title=HOSTILE, licence=HOSTILE
    )
    page = page_of(client, image)
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("query", ["", "?sort=newest", "?sort=oldest", "?sort=largest", "?sort=random&seed=3"])
def test_links_lead_from_the_first_to_the_last_and_back(db, client: Client, query: str):
    rows(6)
    page = client.get(f"/{query}").content.decode()
    address = link(page.replace('href="/image', 'rel="first" href="/image'), "first")
    met = []
    for rel in ("next", "prev"):
        while True:
            met.append(int(re.search(r"/image/(\d+)/", address)[1]))
            page = client.get(address).content.decode()
            if not link(page, rel):
                break
            address = link(page, rel)
    assert len(set(met)) == 6
    assert met == met[::-1]


def test_neighbours_are_visible_ones(db, client: Client):
    first, trashed, new, last = rows(4)
    Image.objects.filter(pk=trashed).update(trashed_at="2026-01-01T00:00Z")
    Image.objects.filter(pk=new).update(state="new")
    assert f"/image/{last}/" in link(client.get(f"/image/{first}/?sort=oldest").content.decode(), "next")
    assert f"/image/{first}/" in link(client.get(f"/image/{last}/?sort=oldest").content.decode(), "prev")


@pytest.mark.parametrize("tail", ["", "original/"])
@pytest.mark.parametrize("pk", [0, 10**9, 2**63 - 1, 2**63, 2**64, 10**30, "9" * 5000, "-1", "x"])
def test_answers_404_for_what_is_not_there(db, client: Client, as_admin: Client, pk: object, tail: str):
    assert client.get(f"/image/{pk}/{tail}").status_code == 404
    assert as_admin.get(f"/image/{pk}/{tail}").status_code == 404


@pytest.mark.parametrize("change", [{"state": "new"}, {"trashed_at": "2026-01-01T00:00Z"}])
def test_shows_trash_and_what_is_being_prepared_to_staff_only(
    image: Image, client: Client, as_member: Client, as_admin: Client, change: dict
):
    Image.objects.filter(pk=image.pk).update(**change)
    for tail in ("", "original/"):
        assert client.get(f"/image/{image.pk}/{tail}").status_code == 404
        assert as_member.get(f"/image/{image.pk}/{tail}").status_code == 404
        assert as_admin.get(f"/image/{image.pk}/{tail}").status_code == 200
    page = page_of(as_admin, image)
    assert f'src="{image.thumbnail.url}"' not in page  # it is not there
    assert image.thumbnail.url + " " not in page
    assert not link(page, "next")


def test_offers_the_trash_to_staff_only(image: Image, client: Client, as_member: Client, as_admin: Client):
    for reader, offered in ((client, False), (as_member, False), (as_admin, True)):
        assert (f'action="/image/{image.pk}/trash/?sort=newest"' in page_of(reader, image)) is offered


@pytest.mark.parametrize("query", ["?sort=x", "?sort=random&seed=x", "?sort=%00"])
def test_rejects_an_order_that_makes_no_sense(image: Image, client: Client, query: str):
    assert client.get(f"/image/{image.pk}/{query}").status_code == 400


def test_asks_the_database_a_fixed_number_of_times(db, client: Client, django_assert_max_num_queries):
    (pk,) = rows(1)
    for number in range(20):
        ImageTag.objects.create(image_id=pk, tag=Tag.objects.create(name=f"tag {number}"))
        ImageSource.objects.create(image_id=pk, kind="upload", address=f"{number}.jpg")
    with django_assert_max_num_queries(9):
        client.get(f"/image/{pk}/")
