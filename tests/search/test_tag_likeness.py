"""Pictures that share rare tags."""

from __future__ import annotations

from math import log, sqrt

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.urls import reverse

from gallery.models import Image, ImageTag, Tag
from search import tag_likeness
from search.complete import forget_vocabulary
from search.tag_likeness import scores, similar_by_tags
from tests.gallery.made import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def images():
    """All ten are outdoors; the first two show a heron, the first and the third a boat."""
    forget_vocabulary()
    found = list(Image.objects.filter(pk__in=rows(10)).order_by("pk"))
    for name, which in {"outdoors": range(10), "heron": (0, 1), "boat": (0, 2, 3, 4)}.items():
        tag = Tag.objects.create(name=name)
        ImageTag.objects.bulk_create([ImageTag(image=found[place], tag=tag) for place in which])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE gallery_image")  # the planner may remember the pictures of another test
    yield found
    forget_vocabulary()


def likes(image: Image, limit: int = 20) -> list[tuple[Image, list[str]]]:
    return [(one.image, one.shared) for one in similar_by_tags(image, AnonymousUser(), limit)]


def test_it_works(images):
    found = likes(images[0])
    assert found[0] == (images[1], ["heron", "outdoors"])
    assert found[1] == (images[4], ["boat", "outdoors"])
    assert [image for image, _ in found[1:4]] == [images[4], images[3], images[2]]


def test_the_score_is_the_formula(images):
    heron, boat, outdoors = (Tag.objects.get(name=name).pk for name in ("heron", "boat", "outdoors"))
    h, b, o = (log(1 + 10 / n) ** 2 for n in (2, 4, 10))
    (score,) = scores([heron, boat, outdoors], [[heron, outdoors]])
    assert score == pytest.approx((h + o) / sqrt((h + b + o) * (h + o)))
    assert scores([heron], [[heron]])[0] == pytest.approx(1)


def test_what_is_hidden_is_not_shown(images):
    images[1].trash()
    assert images[1] not in [image for image, _ in likes(images[0])]


def test_common_tags_are_bounded(images, monkeypatch):
    """Nothing is rare: those that share the most are still found."""
    monkeypatch.setattr(tag_likeness, "CANDIDATES", 1)
    assert likes(images[1], 1)[0][0] == images[0]


def test_without_tags_there_is_nothing(images, client):
    (pk,) = rows(1)
    assert likes(Image.objects.get(pk=pk)) == []
    page = client.get(reverse("like_by_tags", args=[pk]))
    assert (page.status_code, "Nothing is similar by tags" in page.content.decode()) == (200, True)
    assert "Similar by tags" not in client.get(reverse("strips", args=[pk])).content.decode()


def test_the_pages_name_what_is_shared(images, client):
    page = client.get(reverse("like_by_tags", args=[images[0].pk])).content.decode()
    assert "heron, outdoors" in page
    strips = client.get(reverse("strips", args=[images[0].pk])).content.decode()
    assert "Similar by tags" in strips
    assert "Shared: heron, outdoors" in strips
