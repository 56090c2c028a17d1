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
