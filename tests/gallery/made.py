"""Rows of the database where no file is needed: thousands in a moment."""

from __future__ import annotations

from django.db import connection

from gallery.models import Tag
from gallery.tags import tags_called
from gallery.words import tag_name


def rows(count: int, width: str = "100 + i %% 7") -> list[int]:
    """So many visible images without files; ``width`` is SQL of the number i. Returns their ids."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO gallery_image (sha256, name, format, bytes, width, height, exif, palette, placeholder, state)
            SELECT md5(random()::text) || md5(i::text), i || '.jpg', 'JPEG', 1000, {width}, 100,
                   '{{}}', '[]', '', 'ready'
            FROM generate_series(1, %s) i RETURNING id
            """,
            [count],
        )
        return [pk for (pk,) in cursor.fetchall()]


def tag_called(written: str) -> Tag:
    """The tag of this name, or whose other name it is; made if there is none."""
    name = tag_name(written)
    return Tag.objects.get(pk=tags_called([name])[name])


def counts_of(*tags: Tag) -> dict[int, int]:
    """{id of a tag: pictures that have it now}"""
    return {tag.pk: tag.pictures for tag in Tag.objects.counted().filter(pk__in=[tag.pk for tag in tags])}
