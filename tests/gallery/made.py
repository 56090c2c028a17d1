"""Rows of the database where no file is needed: thousands in a moment."""

from __future__ import annotations

from django.db import connection


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
