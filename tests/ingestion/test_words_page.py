"""The page Words: which tags it lists, and when it offers to draw a line."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from gallery.models import ImageTag, Tag
from ingestion import confidences, thresholds
from search.models import Generation
from tests.gallery.made import rows

pytestmark = pytest.mark.django_db
PAGE = "/import/words/?role=places"
OFFER = "Draw the line at"


@pytest.fixture
def places() -> Generation:
    """Ten images: all are beaches for sure, and perhaps caves; the line is at 30 %."""
    generation = Generation.objects.create(role="places", network="net:1", fingerprint="f", state="current")
    for name, sure in (("beach", 0.9), ("cave", 0.1)):
        tag = Tag.objects.create(name=name)
        words = {"tag": tag, "origin": "net:1", "generation": generation.pk, "state": "suggested"}
        for image in rows(10) if name == "beach" else ImageTag.objects.values_list("image_id", flat=True):
            ImageTag.objects.create(image_id=image, confidence=sure, offered=sure > 0.3, **words)
    return generation


def test_it_works(places: Generation, as_admin: Client):
    """A tag that is nowhere shown is there too: else its line could not be lowered."""
    answer = as_admin.get(PAGE).content.decode()
    cave = Tag.objects.get(name="cave")
    assert f'tag={cave.pk}">cave</a> <span class="soft small number">0, 10 more suggested</span>' in answer
    assert confidences.tags_of("places", places.pk) == [
        {"id": Tag.objects.get(name="beach").pk, "name": "beach", "count": 10, "hidden": 0, "own": None},
        {"id": cave.pk, "name": "cave", "count": 0, "hidden": 10, "own": None},
    ]


def test_a_preview_does_not_count_the_tags(places: Generation, as_admin: Client):
    def counted(**headers: str) -> bool:
        with CaptureQueriesContext(
            connection,
        ) as asked:
            as_admin.get(f"{PAGE}&line=50", headers=headers)
        return any("hidden" in query["sql"] for query in asked)

    assert counted()
    assert not counted(**{"HX-Request": "true"})


def test_a_line_is_offered_where_none_is(places: Generation, as_admin: Client):
    now = round(100 * thresholds.line_of("places"))
    for line, offered in ((now, False), (now + 1, True)):
        assert (OFFER in as_admin.get(f"{PAGE}&line={line}").content.decode()) is offered
    beach = Tag.objects.get(name="beach")
    own = f"{PAGE}&tag={beach.pk}"
    assert OFFER in as_admin.get(own).content.decode()  # it can keep this one while the others move
    thresholds.move("places", beach.pk, now / 100, now / 100, None)
    assert OFFER not in as_admin.get(own).content.decode()
