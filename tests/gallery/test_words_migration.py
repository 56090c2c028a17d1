"""A gallery with words of several generations goes back to the release before, and forward again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from gallery.models import Caption, Image, ImageTag, Tag
from tests.gallery.made import rows


def migrate(*targets: tuple[str, str]) -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(list(targets) or executor.loader.graph.leaf_nodes())


@pytest.fixture
def forward_again(transactional_db: None) -> Iterator[None]:
    yield
    migrate()


def query(sql: str) -> set[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return set(cursor.fetchall())


def test_it_works(forward_again: None):
    image = Image.objects.get(pk=rows(1)[0])
    tag, other = Tag.objects.create(name="dog"), Tag.objects.create(name="cat")
    machine = {"image": image, "origin": "net:" + "x" * 80}
    for generation, state, sure in ((1, "suggested", 0.9), (2, "accepted", 0.4), (3, "suggested", 0.8)):
        words = {**machine, "generation": generation, "state": state, "confidence": sure}
        ImageTag.objects.create(tag=tag, **words)
        Caption.objects.create(text=f"caption {generation}", **words)
    ImageTag.objects.create(tag=tag, image=image)
    ImageTag.objects.create(tag=other, generation=1, state="suggested", confidence=0.2, **machine)
    assert Image.objects.get().caption == "caption 2"
    migrate(("gallery", "0003_word_search"))
    Caption.objects.filter(generation=2).update(state="rejected")
    assert query("SELECT caption FROM gallery_image") == {("caption 1",)}  # the trigger of before is there again
    Caption.objects.filter(generation=2).update(state="accepted")
    migrate(("gallery", "0001_initial"))
    origin = machine["origin"][:64]
    assert query("SELECT tag_id, origin, state FROM gallery_imagetag") == {
        (tag.pk, origin, "accepted"),
        (tag.pk, "person", "accepted"),
        (other.pk, origin, "suggested"),
    }
    assert query("SELECT text, origin FROM gallery_caption") == {("caption 2", origin)}
    migrate()
    assert Image.objects.get().caption == "caption 2"


@pytest.mark.django_db
def test_a_caption_that_moves_changes_both_images():
    first, second = Image.objects.filter(pk__in=rows(2)).order_by("pk")
    Caption.objects.create(image=first, text="a boat", origin="net:1", state="suggested")
    moved = Caption.objects.create(image=first, text="A wave")
    Caption.objects.filter(pk=moved.pk).update(image=second)
    assert list(Image.objects.order_by("pk").values_list("caption", flat=True)) == ["a boat", "A wave"]
    Caption.objects.filter(image=first).update(image=second)
    assert list(Image.objects.order_by("pk").values_list("caption", flat=True)) == ["", "A wave"]
